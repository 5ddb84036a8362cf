"""JSON of somebody else's, read so that it has one meaning, or refused with the reason. Pure.

Of two members with one name a parser keeps the last; another program, such as a proxy that checks requests, the first.
NaN and Infinity are no JSON. A text that is nested deeper than the parser goes is refused like any other fault.
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

EXPECTED = "each name once in an object"
MAX_SHOWN = 40
# Python converts no more digits to a whole number than this.
MOST_DIGITS = sys.int_info.default_max_str_digits


class RepeatedNameError(ValueError):
    """An object has two members called `name`."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"expected {EXPECTED}, got {excerpt(name)} twice")


@dataclass(frozen=True, slots=True)
class Repeated:
    """An object with two members called `name`, where the text around it counts. `members` are all, in their order."""

    name: str
    members: tuple[tuple[str, Any], ...]


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def read_json(content: bytes | str, constant: Callable[[str], Any] = _refuse) -> Any:
    """Read a text of which every part counts. `constant` reads NaN and Infinity where a later check names their place.

    RepeatedNameError for a name that an object has twice, ValueError for whatever else is no JSON.
    """
    try:
        return json.loads(content, object_pairs_hook=_members, parse_constant=constant)
    except RecursionError:
        raise ValueError("nested too deep") from None


def read_items_json(content: bytes | str) -> Any:
    """Read a text of many items, of which one that is wrong spoils no other. ValueError for what is no JSON at all.

    An object that has a name twice is a Repeated. Numbers keep their digits: those with a point are Decimal. NaN,
    Infinity and numbers too long for Python are texts as they stand there.
    """
    try:
        return json.loads(
            content, object_pairs_hook=_marked, parse_float=_decimal, parse_int=_whole, parse_constant=str
        )
    except RecursionError:
        raise ValueError("nested too deep") from None


def repeated_name(value: Any, *, outside: Any = None) -> str | None:
    """Return a name that an object has twice, anywhere in what `read_items_json` read but `outside` of this part."""
    left = [value]
    while left:  # no recursion: it may be as deep as the parser went
        found = left.pop()
        if isinstance(found, Repeated):
            return found.name
        if isinstance(found, dict):
            left += found.values()
        elif isinstance(found, list) and found is not outside:
            left += found
    return None


def levels(value: Any) -> int:
    """Count how deep lists and objects stand in one another: 0 for a plain value, 1 for a list of plain ones."""
    depth, here = 0, [value]
    while nested := [each for each in here if isinstance(each, dict | list)]:
        depth += 1
        here = [inner for each in nested for inner in (each.values() if isinstance(each, dict) else each)]
    return depth


def excerpt(name: str) -> str:
    """Return a name as an error shows it: quoted, in ASCII, not long."""
    return ascii(name[:MAX_SHOWN])


def _repetitions(pairs: list[tuple[str, Any]]) -> Iterator[str]:
    names = [name for name, _ in pairs]
    return (name for n, name in enumerate(names) if name in names[:n])


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RepeatedNameError(next(_repetitions(pairs)))
    return found


def _marked(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Repeated:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Repeated(next(_repetitions(pairs)), tuple(pairs))


def _whole(text: str) -> int | str:
    return int(text) if len(text) <= MOST_DIGITS else text


def _decimal(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text
