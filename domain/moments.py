"""Moments as others write them: numbers since 1970 in any of four units, and ISO 8601 text.

One at a time, as feeds send them, and a whole column, as files have them. Only moments of this century count. Within it
no two units share a number, so the size of a number tells its unit. UTC where no zone is said.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Context, Decimal, localcontext

import polars as pl

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
# Units a second, and the least number that is read in the unit: 10^11 would be the year 5138 in seconds.
UNITS = ((1, 0), (10**3, 10**11), (10**6, 10**14), (10**9, 10**17))

TIME = pl.Datetime("us", "UTC")
EXPECTED = "a time such as 2026-05-24 14:30:00 (UTC), or s, ms, µs or ns since 1970"
FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_FIRST, _END = (Decimal((moment - _EPOCH) // _MICROSECOND) for moment in (EARLIEST, LATEST))
_TOO_LARGE = 10**19
# Wide enough for all digits before the point; those far behind it are cut off, never rounded up.
_CUT = Context(prec=40, rounding=ROUND_FLOOR)
_TEXT = re.compile(
    r"(?P<clock>[0-9W-]{8,10}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?)"
    r" ?(?:Z|UTC|GMT|[+-]00:?00 UTC|(?:UTC)?(?P<offset>[+-][0-9]{2}(?::?[0-9]{2})?))?",
    re.IGNORECASE,
)


def from_number(number: int | Decimal) -> datetime | None:
    """Read seconds since 1970, or thousandths, millionths or billionths of one, as UTC; None outside the century.

    Exact to the microsecond; finer digits are cut off.
    """
    value = Decimal(number)
    if not value.is_finite() or not 0 <= value < _TOO_LARGE:
        return None
    per_second = max(unit for unit, least in UNITS if value >= least)
    with localcontext(_CUT):
        microseconds = value * 10**6 / per_second
    return _EPOCH + int(microseconds) * _MICROSECOND if _FIRST <= microseconds < _END else None


def from_text(text: str) -> datetime | None:
    """Read ISO 8601 with date and time of day, UTC where it names no offset; None for other texts and centuries.

    The zone may be Z, an offset, or the word UTC or GMT. Digits finer than a microsecond are cut off.
    """
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat(found["clock"] + (found["offset"] or "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if EARLIEST <= moment < LATEST else None


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
    """Numbers of any unit as moments; a number below 0 is of no moment that counts."""
    number = pl.col("number")
    microseconds = pl.lit(None, pl.Int64)
    for per_second, least in UNITS:
        exact = number * (10**6 // per_second) if per_second <= 10**6 else number // (per_second // 10**6)
        microseconds = pl.when(number >= least).then(exact).otherwise(microseconds)
    return numbers.to_frame("number").select(microseconds).to_series().cast(TIME)


def _said(text: pl.Series) -> pl.Series:
    plain = text.str.strip_chars().str.replace(r" ?(Z|UTC|\+00:?00)$", "").str.replace("T", " ", literal=True)
    tried = [plain.str.to_datetime(each, time_unit="us", time_zone="UTC", strict=False) for each in FORMATS]
    return pl.select(pl.coalesce(tried)).to_series()
