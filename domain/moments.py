"""Moments as others write them: numbers since 1970 in any of four units, and ISO 8601 text.

Only moments of this century count. Within it no two units share a number, so the size of a number tells its unit.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Context, Decimal, localcontext

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
# Units a second, and the least number that is read in the unit: 10^11 would be the year 5138 in seconds.
UNITS = ((1, 0), (10**3, 10**11), (10**6, 10**14), (10**9, 10**17))

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

    Exact to the microsecond; what is finer is cut off.
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

    The zone may be Z, an offset, or the word UTC or GMT. What is finer than a microsecond is cut off.
    """
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat(found["clock"] + (found["offset"] or "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if EARLIEST <= moment < LATEST else None
