"""Calendar days as files write them: one rule for every imported table.

A day is a date; the text YYYY-MM-DD, which a time of midnight may follow, plain or at +08:00; YYYYMMDD as a number or
text; or a timestamp at midnight, without a zone or in the exchange's. Everything else is no day: a timestamp of another
zone has the date before or after in the exchange's, and nobody can tell which one was meant.
"""

from datetime import date, time

import polars as pl

from countersign.models.timetable import ZONE

EXPECTED = "a date, YYYY-MM-DD without a time"
MIDNIGHT = time()
FIRST, LAST = date.min, date.max
ISO = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T]00:00(?::00(?:\.0+)?)?(?:\+08:?00)?)?$"
# Programs that keep a column of numbers with gaps write 20240306 as 20240306.0.
DIGITS = r"^([0-9]{8})(?:\.0+)?$"


def read_days(values: pl.Series) -> pl.Series | None:
    """Return the days (Date) of a column, null where there is none; None for a column whose type holds no days.

    A Float32 holds none: above 16,777,216 it knows even numbers only, so that 20240307 would be 20240308.
    """
    kind = values.dtype
    if kind in (pl.Date, pl.Null):
        days = values.cast(pl.Date)
    elif isinstance(kind, pl.Datetime):
        days = _of_timestamps(values, kind.time_zone)
    elif kind in (pl.String, pl.Categorical, pl.Enum):
        days = _by_distinct(values.cast(pl.String))
    elif kind.is_numeric() and kind != pl.Float32:
        whole = values.cast(pl.Int64, strict=False)
        days = _by_distinct(pl.select(pl.when(whole == values).then(whole)).to_series().cast(pl.String))
    else:
        return None
    # Files can hold years that no calendar has.
    known = days.is_between(FIRST, LAST)
    return days if known.all() else days.set(~known.fill_null(value=True), None)


def _of_timestamps(values: pl.Series, zone: str | None) -> pl.Series:
    """Take the dates of timestamps at midnight in their own zone, which must be the exchange's."""
    midnight = values.dt.time() == MIDNIGHT
    local = values.dt.convert_time_zone(ZONE) if zone else values
    midnight &= local.dt.time() == MIDNIGHT
    days = local.dt.date()
    return days if midnight.all() else days.set(~midnight.fill_null(value=True), None)


def _by_distinct(text: pl.Series) -> pl.Series:
    distinct = text.unique()  # a table repeats each day for every symbol
    plain = distinct.str.strip_chars()
    days = plain.str.extract(ISO).str.to_date("%Y-%m-%d", strict=False)
    days = days.fill_null(plain.str.extract(DIGITS).str.to_date("%Y%m%d", strict=False))
    return text.replace_strict(distinct, days, default=None, return_dtype=pl.Date)
