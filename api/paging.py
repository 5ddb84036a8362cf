"""Paging: how lists are asked for."""

from typing import Annotated

from fastapi import Query

Limit = Annotated[int, Query(ge=1, le=200, description="most items to return")]
Offset = Annotated[int, Query(ge=0, le=2**31 - 1, description="items to skip")]
