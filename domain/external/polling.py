"""Polling: how far back to ask, how to act on a feed's answer, when to ask again, and which time was missed.

Pure: times come in, decisions go out. Asking and storing are other layers' business.
"""

import math
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

from countersign.models.feeds import LONGEST_WINDOW_MINUTES
from countersign.models.tables.external import SCALPING

MARGIN = timedelta(minutes=1)
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 30, 600
# As the window since the last good poll runs out, and for a while after: then every minute later is one more missed.
SHORTEST_WAIT_SECONDS, LATE_WAIT_SECONDS, LATE_SECONDS = 10, 60, 300
# The longest wait that a feed may ask for.
LONGEST_WAIT_SECONDS = 3600
SCALPING_SECONDS, OTHER_SECONDS = 60, 180


class PollAction(StrEnum):
    """Action that an answer asks for. `stop_…` stops the source until an operator has looked."""

    STORE = "store"
    STOP_CONFIGURATION = "stop_configuration"
    STOP_KEY = "stop_key"
    BACK_OFF = "back_off"


def default_cadence(signal_type: str | None) -> int:
    """Seconds between polls where the operator says nothing."""
    return SCALPING_SECONDS if signal_type == SCALPING else OTHER_SECONDS


def action_for(code: int, message: str) -> PollAction:
    """Return the action for a feed's error code. Code 5 is a bad key or an outage: its message decides.

    A code that is not in the feed's table backs off: it may pass, and asking on loses nothing.
    """
    match code:
        case 0:
            return PollAction.STORE
        case 1:
            return PollAction.STOP_CONFIGURATION
        case 5 if "unavailable" not in message.lower():
            return PollAction.STOP_KEY
        case _:
            return PollAction.BACK_OFF


def action_for_status(status: int) -> PollAction:
    """Return the action for an HTTP status where the answer itself says nothing."""
    if 200 <= status < 300:
        return PollAction.STORE
    if status in {401, 403}:
        return PollAction.STOP_KEY
    return PollAction.STOP_CONFIGURATION if status in {400, 404, 405, 410, 422} else PollAction.BACK_OFF


def window_minutes(
    now: datetime, good_at: datetime | None, every_seconds: int, longest: int = LONGEST_WINDOW_MINUTES
) -> int:
    """Minutes to ask back for: the cadence, or the time since the last good poll if longer, plus one minute.

    At most `longest`, which is as far as the feed goes; the time before it is a gap.
    """
    since = timedelta(seconds=every_seconds)
    if good_at is not None:
        since = max(since, now - good_at)
    return max(1, min(longest, math.ceil((since + MARGIN) / timedelta(minutes=1))))


def uncovered(
    now: datetime, good_at: datetime | None, longest: int = LONGEST_WINDOW_MINUTES
) -> tuple[datetime, datetime] | None:
    """Return the start and end of the time that a poll at `now` cannot reach back to; None where it reaches all.

    Nothing was promised before the first good poll.
    """
    reached = now - timedelta(minutes=longest)
    return (good_at, reached) if good_at is not None and good_at < reached else None


def backoff_seconds(failures: int) -> float:
    """Seconds to wait after so many failures in a row: 30, doubling to 600."""
    doubled = FIRST_BACKOFF_SECONDS * 2 ** min(max(failures, 1) - 1, 10)
    return float(min(doubled, LONGEST_BACKOFF_SECONDS))


def next_attempt(
    now: datetime,
    failures: int,
    good_at: datetime | None,
    longest: int = LONGEST_WINDOW_MINUTES,
    retry_after_seconds: float | None = None,
) -> datetime:
    """Say when to ask again after so many failures in a row, the last one at `now`.

    The backoff, but never past half of the rest of the window since the last good poll, so that a feed that answers
    again before it is over is asked within it; and later if the feed asks for it, by an hour at most. See ADR 17.
    """
    wait = backoff_seconds(failures)
    if good_at is not None:
        left = (good_at + timedelta(minutes=longest) - now).total_seconds()
        if left > 0:
            wait = min(wait, max(left / 2, SHORTEST_WAIT_SECONDS))
        elif left > -LATE_SECONDS:
            wait = min(wait, LATE_WAIT_SECONDS)
    return now + timedelta(seconds=max(wait, min(retry_after_seconds or 0.0, LONGEST_WAIT_SECONDS)))


def retry_after(header: str | None, answered: str | None) -> float | None:
    """Read a Retry-After header as seconds: a number, or a date, which counts from the answer's own Date header.

    None where it says nothing sensible.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, (_http_date(text) - _http_date(answered or "")).total_seconds())
    except (ValueError, OverflowError):
        return None


def _http_date(text: str) -> datetime:
    moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
