"""Paging: how lists are asked for, and how one of their rows is named."""

from typing import Annotated

from fastapi import Path, Query

from countersign.models.wire.base import Text

LARGEST_ID = 2**31 - 1

Limit = Annotated[int, Query(ge=1, le=200, description="most items to return", examples=[50])]
Offset = Annotated[int, Query(ge=0, le=2**31 - 1, description="items to skip", examples=[0])]
# Ids are texts to their readers; ours happen to be numbers.
Id = Annotated[str, Path(examples=["3"])]
Slug = Annotated[str, Path(examples=["hs300-ml-alpha"])]
# Of a factor or a portfolio.
LongId = Annotated[str, Path(examples=["0b0c2f6e-4f5a-4c1e-9f0e-0d2a6f2b7c11"])]
FeedName = Annotated[str, Path(examples=["cqs-free"])]
Word = Annotated[Text | None, Query(max_length=60)]
Exchange = Annotated[Word, Query(examples=["binance"])]
Coin = Annotated[Word, Query(examples=["BTC"])]


def number_of(id_text: str) -> int:
    """Return the number that an id is, 0 where no row of ours can have it."""
    number = int(id_text) if id_text.isascii() and id_text.isdecimal() and len(id_text) < 11 else 0
    return number if number <= LARGEST_ID else 0
