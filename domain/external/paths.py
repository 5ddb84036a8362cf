"""Paths into JSON: names joined by dots, and in lists the place, counted from 0. `pair.base`, `targets.0`."""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from countersign.models.errors import InputError

MAX_SHOWN = 60
_PLACE = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_NOWHERE = object()


def check_path(field: str, path: str) -> None:
    """Raise InputError, under the name `field`, for a path that can lead nowhere in any answer."""
    parts = path.split(".")
    bad = any(not part.strip() or re.fullmatch(r"-[0-9]+", part, re.ASCII) for part in parts)
    if bad or any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in path):
        expected = "names joined by single dots, in a list the place from 0, such as data.signals or targets.0"
        raise InputError(field, expected, json.dumps(path)[:MAX_SHOWN])


def dig(answer: Any, path: str, nowhere: Any = None) -> Any:
    """Return the value at a path; `nowhere` where it leads nowhere. The empty path gives the whole answer.

    In an object a number is a name like any other.
    """
    for part in filter(None, path.split(".")):
        if isinstance(answer, Mapping):
            answer = answer.get(part, _NOWHERE)
        elif isinstance(answer, list) and _PLACE.fullmatch(part) and int(part) < len(answer):
            answer = answer[int(part)]
        else:
            return nowhere
    return nowhere if answer is _NOWHERE else answer


def find_missing(items: Iterable[Any], paths: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names whose paths lead nowhere in every item; a null counts as found.

    All names are missing where there are no items.
    """
    left = dict(paths)
    for item in items:
        if not left:
            break
        left = {name: path for name, path in left.items() if dig(item, path, _NOWHERE) is _NOWHERE}
    return tuple(left)
