"""Factor values as uploaded: their checks, their digests by session, and the instant until which they are in time.

Frames have the columns session (Date), symbol (String) and value (Float64), a row a symbol of a session.
"""

import hashlib
from datetime import date, datetime

import polars as pl

from countersign.domain.market.instruments import TAKEN_NAMES, is_taken, refusal
from countersign.domain.sessions import CLOSE, Sessions, at
from countersign.models.datasets import ColumnType
from countersign.models.errors import InputError
from countersign.models.targets import SYMBOL_PATTERN

UPLOAD_SCHEMA: dict[str, ColumnType] = {"session": pl.Date, "symbol": pl.String, "value": pl.Float64}
SYMBOL_LENGTH = 9


class FaultyRowError(InputError):
    """A fault in one row of uploaded values, of `session` and `symbol`; `field` is date, symbol or value."""

    def __init__(self, field: str, expected: str, got: object, *, session: date | None, symbol: str | None) -> None:
        self.session = session
        self.symbol = symbol
        super().__init__(field, expected, got)


def check_values(values: pl.DataFrame, sessions: Sessions) -> tuple[pl.DataFrame, int]:
    """Return the values of trading sessions, sorted by session and symbol, and how many other dates were left out.

    FaultyRowError for a date that the calendar does not cover, for a symbol of neither a share nor an exchange-traded
    fund, for no finite number, and for a symbol twice on one date: of dates that are left out, too.
    """
    first, last = sessions.days[0], sessions.known_until
    day, symbol, value = pl.col("session"), pl.col("symbol"), pl.col("value")
    covered = day.is_between(first, last).fill_null(value=False)
    if not values.select(covered.all()).item():
        expected = f"dates from {first} to {last}, the days that the exchange calendar covers"
        _raise_for(values, ~covered, "date", expected)
    known = values["symbol"].unique()
    if not known.str.contains(SYMBOL_PATTERN).fill_null(value=False).all():
        fault = ~symbol.str.contains(SYMBOL_PATTERN).fill_null(value=False)
        _raise_for(values, fault, "symbol", "six digits and a venue, such as 600519.SH")
    strange = known.filter(~is_taken(known))
    if strange.len():
        first_strange = values.filter(symbol.is_in(strange.implode()))["symbol"][0]
        _raise_for(values, symbol == first_strange, "symbol", f"{TAKEN_NAMES}; {refusal(first_strange)}")
    if not values["value"].is_finite().fill_null(value=False).all():
        fault = ~value.is_finite().fill_null(value=False)
        _raise_for(values, fault, "value", "finite numbers")
    ordered = values.sort("session", "symbol")
    again = (day == day.shift()) & (symbol == symbol.shift())
    if ordered.select(again.fill_null(value=False).any()).item():
        _raise_for(ordered, again, "symbol", "each symbol once a date")
    days = ordered["session"].unique()
    open_days = pl.Series("session", sessions.between(first, last), dtype=pl.Date)
    closed = days.filter(~days.is_in(open_days.implode()))
    if closed.is_empty():
        return ordered, 0
    return ordered.filter(~day.is_in(closed.implode())), len(closed)


def _raise_for(values: pl.DataFrame, fault: pl.Expr, field: str, expected: str) -> None:
    session, symbol, value = values.filter(fault).select(*UPLOAD_SCHEMA).row(0)
    shown = str({"date": session, "symbol": symbol, "value": value}[field])[:20]
    got = f"{shown!r} ({str(symbol)[:20]} on {session})"
    raise FaultyRowError(field, expected, got, session=session, symbol=symbol)


def digest_sessions(values: pl.DataFrame) -> pl.DataFrame:
    """Digest each session's values: session, symbols (how many), values_sha256. Equal digests, equal values.

    `values` as `check_values` returns them. The digest is taken over the symbols, one after the other, and then the
    values as little-endian doubles.
    """
    symbols = values["symbol"].str.join("").item().encode() if values.height else b""
    # Adding 0 makes one zero of the two.
    numbers = (values["value"].to_numpy() + 0.0).astype("<f8").tobytes()
    rows, start = [], 0
    for length, session in values["session"].rle().struct.unnest().iter_rows():
        digest = hashlib.sha256(symbols[SYMBOL_LENGTH * start : SYMBOL_LENGTH * (start + length)])
        digest.update(numbers[8 * start : 8 * (start + length)])
        rows.append((session, length, digest.hexdigest()))
        start += length
    schema: dict[str, ColumnType] = {"session": pl.Date, "symbols": pl.Int64, "values_sha256": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def in_time_until(sessions: Sessions, session: date) -> datetime:
    """Return the instant before which a session's values must have come to count out of sample.

    The return that they predict begins at the close of the session after it: later values could be made to fit.
    """
    return at(sessions.next(session), CLOSE)
