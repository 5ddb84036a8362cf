"""Paging: how lists are asked for, and how one of their rows is."""

from typing import Annotated

from fastapi import Path, Query

LARGEST_ID = 2**31 - 1

Limit = Annotated[int, Query(ge=1, le=200, description="most items to return")]
Offset = Annotated[int, Query(ge=0, le=2**31 - 1, description="items to skip")]
# Ids are texts to whoever reads them; ours happen to be numbers.
Id = Annotated[str, Path(examples=["3"])]


def number_of(id_text: str) -> int:
    """Return the number that an id is, 0 where no row of ours can have it."""
    number = int(id_text) if id_text.isascii() and id_text.isdecimal() and len(id_text) < 11 else 0
    return number if number <= LARGEST_ID else 0
