"""Chunks of identifiers: one SQL statement takes a limited number of parameters."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

IDS_PER_STATEMENT = 500

T = TypeVar("T")


def chunked(ids: Iterable[T], size: int = IDS_PER_STATEMENT) -> Iterator[list[T]]:
    """Yield the items in their order, in lists of `size` items; the last list may be shorter, and none is empty.

    ValueError if `size` is below 1.
    """
    if size < 1:
        raise ValueError(f"size: expected 1 or more, got {size}")
    rest = iter(ids)
    while chunk := list(islice(rest, size)):
        yield chunk
