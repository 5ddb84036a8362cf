"""Bodies of uploaded factor values, read into frames (session, symbol, value). Blocking: call them in a thread.

JSON has objects a date; the objects that the parser makes of it are gone before anything else is done. Parquet and
Arrow go to columns directly. Neither is trusted: sizes and types are looked at before anything is decompressed.
"""

from collections.abc import Callable
from datetime import date
from functools import partial
from itertools import chain
from typing import Any, NamedTuple, NoReturn

import numpy as np
import orjson
import polars as pl
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from countersign.domain import strict_json
from countersign.domain.factors.values import UPLOAD_SCHEMA, FaultyRowError
from countersign.models.wire.base import Day
from countersign.models.wire.factors import MAX_DATES

_DAY: TypeAdapter[date] = TypeAdapter(Day)


class Body(NamedTuple):
    """Rows of a body, not checked yet, and `place`, which names the place of a faulty row in the body."""

    values: pl.DataFrame
    place: Callable[[FaultyRowError], tuple[str | int, ...]]


def fault(*where: str | int, expected: str, kind: str = "value_error") -> NoReturn:
    """Refuse the body: `expected` is missing at the place `where` in it."""
    raise RequestValidationError([{"type": kind, "loc": ("body", *where), "msg": expected}])


def read_json(body: bytes) -> Body:
    """Read `{"data": [{"date": …, "values": {symbol: number}}]}`, 1 to 500 dates."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        fault(error.pos, expected=f"JSON decode error: {error.msg}", kind="json_invalid")
    days, values = _entries(content)
    # A parser keeps the last of two members with one name. Every member has one colon, and no name has any.
    if body.count(b":") != 1 + sum(2 + len(each) for each in values):
        _refuse_repetitions(body)
    counts = [len(each) for each in values]
    numbers = [np.fromiter(each.values(), np.float64, len(each)) for each in values]
    frame = pl.DataFrame(
        {
            "session": pl.Series(days, dtype=pl.Date).gather(np.repeat(np.arange(len(days)), counts)),
            "symbol": pl.Series(list(chain.from_iterable(values)), dtype=pl.String),
            "value": np.concatenate(numbers),
        },
        schema=UPLOAD_SCHEMA,
    )
    return Body(frame, partial(_place, days))


def _place(days: list[date], found: FaultyRowError) -> tuple[str | int, ...]:
    entry = ("data", days.index(found.session)) if found.session else ("data",)
    return (*entry, "date") if found.field == "date" else (*entry, "values", str(found.symbol)[:20])


def _entries(content: Any) -> tuple[list[date], list[dict[str, float]]]:
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        fault("data", expected="expected a list of dates with their values", kind="missing")
    if extra := content.keys() - {"data"}:
        fault(min(extra), expected="expected nothing but data", kind="extra_forbidden")
    data = content["data"]
    if not 1 <= len(data) <= MAX_DATES:
        fault("data", expected=f"expected 1 to {MAX_DATES} dates in a request, got {len(data)}")
    days: dict[date, None] = {}
    for n, entry in enumerate(data):
        if not isinstance(entry, dict) or entry.keys() != {"date", "values"}:
            fault("data", n, expected="expected an object with date and values, and nothing else")
        day = _read_day(n, entry["date"])
        if day in days:
            fault("data", n, "date", expected=f"expected each date once, got {day} again")
        days[day] = None
        _check_values(n, entry["values"])
    return list(days), [entry["values"] for entry in data]


def _read_day(n: int, given: Any) -> date:
    try:
        return _DAY.validate_python(given)
    except ValidationError as error:
        fault("data", n, "date", expected=error.errors()[0]["msg"])


def _check_values(n: int, values: Any) -> None:
    if not isinstance(values, dict) or not values:
        fault("data", n, "values", expected="expected at least one symbol with its value")
    if not {float, int}.issuperset(map(type, values.values())):
        wrong = next(symbol for symbol, value in values.items() if type(value) not in {float, int})
        fault("data", n, "values", wrong[:20], expected="expected a number")


def _refuse_repetitions(body: bytes) -> None:
    try:
        strict_json.read_json(body)
    except strict_json.RepeatedNameError as error:
        fault("data", expected=str(error))
    except ValueError:
        # The body as read is not deep: the deep part was left behind by another member of its name.
        fault("data", expected="expected each name once, and nothing nested deeper than values")
