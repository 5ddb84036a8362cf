"""Points in time as files write them: one rule for every table that comes in.

A moment is a timestamp; ISO text; or a number since 1970, in seconds, milliseconds, microseconds or nanoseconds. UTC
where no zone is said; text may name no other.
"""

from datetime import UTC, datetime

import polars as pl

EXPECTED = "a time such as 2026-05-24 14:30:00 (UTC), or s, ms, µs or ns since 1970"
TIME = pl.Datetime("us", "UTC")
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
# A number says its unit by its size: in the unit before, each of these would be the year 5138.
MILLISECONDS_FROM, MICROSECONDS_FROM, NANOSECONDS_FROM = 10**11, 10**14, 10**17
FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")


def read_moments(values: pl.Series) -> pl.Series | None:
    """Return the moments (UTC, to the microsecond) of a column, null where there is none of this century.

    None for a column whose type holds no moments.
    """
    kind = values.dtype
    if isinstance(kind, pl.Datetime):
        times = values.dt.convert_time_zone("UTC") if kind.time_zone else values.dt.replace_time_zone("UTC")
    elif kind == pl.Date:
        times = values.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    elif kind == pl.String:
        numbers = values.str.strip_chars().cast(pl.Int64, strict=False)
        times = _since_1970(numbers).fill_null(_said(values))
    elif kind.is_integer():
        times = _since_1970(values.cast(pl.Int64, strict=False))
    else:
        return None
    times = times.cast(TIME)
    return times.set(~times.is_between(EARLIEST, LATEST).fill_null(value=True), None)


def _since_1970(numbers: pl.Series) -> pl.Series:
    number = pl.col("number")
    size = number.abs()
    microseconds = (
        pl.when(size < MILLISECONDS_FROM)
        .then(number * 1_000_000)
        .when(size < MICROSECONDS_FROM)
        .then(number * 1_000)
        .when(size < NANOSECONDS_FROM)
        .then(number)
        .otherwise(number // 1_000)
    )
    return numbers.to_frame("number").select(microseconds).to_series().cast(TIME)


def _said(text: pl.Series) -> pl.Series:
    plain = text.str.strip_chars().str.replace(r" ?(Z|UTC|\+00:?00)$", "").str.replace("T", " ", literal=True)
    tried = [plain.str.to_datetime(each, time_unit="us", time_zone="UTC", strict=False) for each in FORMATS]
    return pl.select(pl.coalesce(tried)).to_series()
