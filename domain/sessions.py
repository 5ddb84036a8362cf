"""Sessions: which days the exchange trades, and when their deadlines fall. Pure; loading them is the store's job."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from countersign.models.enums import ExecutionPrice
from countersign.models.errors import HorizonError, InputError
from countersign.models.timetable import ZONE

EXCHANGE_ZONE = ZoneInfo(ZONE)
DEADLINES = {ExecutionPrice.OPEN: time(9, 15), ExecutionPrice.CLOSE: time(15, 0)}
CLOSE = time(15, 0)
HORIZON_WARNING_DAYS = 45
# Around a deadline, nobody waits long for anything.
BEFORE_DEADLINE, AFTER_DEADLINE = timedelta(minutes=5), timedelta(minutes=1)


@dataclass(frozen=True)
class Sessions:
    """The trading sessions, ascending, complete up to `known_until`. A later date is an error, never a guess."""

    days: tuple[date, ...]
    known_until: date

    def __contains__(self, day: date) -> bool:
        """Whether `day` is a session; HorizonError past the horizon."""
        self._require_known(day)
        at = bisect_left(self.days, day)
        return at < len(self.days) and self.days[at] == day

    def require(self, day: date, field: str = "session") -> date:
        """Give `day` back if it is a session, else raise InputError naming `field`."""
        if day not in self:
            later = self.days[bisect_right(self.days, day) :][:1]
            raise InputError(field, "a trading session" + (f" (the next is {later[0]})" if later else ""), day)
        return day

    def between(self, since: date, until: date) -> list[date]:
        """Sessions from `since` to `until`, both included; HorizonError where `until` is past the horizon."""
        self._require_known(until)
        return list(self.days[bisect_left(self.days, since) : bisect_right(self.days, until)])

    def next(self, day: date) -> date:
        """Return the first session after `day`; HorizonError if it lies past the horizon."""
        at = bisect_right(self.days, day)
        if at == len(self.days):
            raise self._horizon_error(day)
        return self.days[at]

    def previous(self, day: date) -> date | None:
        """Return the last session before `day`, None before the first one known."""
        self._require_known(day)
        at = bisect_left(self.days, day)
        return self.days[at - 1] if at else None

    def newest_closed(self, now: datetime) -> date:
        """Return the newest session whose close (15:00) is not after `now`."""
        local = now.astimezone(EXCHANGE_ZONE)
        self._require_known(local.date())
        at = bisect_right(self.days, local.date())
        if at and self.days[at - 1] == local.date() and local.time() < CLOSE:
            at -= 1
        if not at:
            raise InputError("now", f"a time after the first session known, {self.days[0]}", now)
        return self.days[at - 1]

    def is_near_deadline(self, now: datetime) -> bool:
        """Whether it is the 5 minutes before a deadline or the minute after. HorizonError past the horizon."""
        day = now.astimezone(EXCHANGE_ZONE).date()
        due = [at(day, wall_time) for wall_time in DEADLINES.values()] if day in self else []
        return any(moment - BEFORE_DEADLINE <= now <= moment + AFTER_DEADLINE for moment in due)

    def horizon_warning(self, today: date) -> str | None:
        """Warn in words when 45 days or fewer are left before the horizon, else None."""
        left = (self.known_until - today).days
        if left > HORIZON_WARNING_DAYS:
            return None
        return f"the exchange calendar ends on {self.known_until}, {left} days from {today}: {EXTEND}"

    def _require_known(self, day: date) -> None:
        if day > self.known_until:
            raise self._horizon_error(day)

    def _horizon_error(self, day: date) -> HorizonError:
        return HorizonError(f"{day} is not before the exchange calendar's horizon, {self.known_until}: {EXTEND}")


EXTEND = "update exchange-calendars, or extend calendar_overrides.toml (extra_holidays, known_until)"


def at(session: date, wall_time: time) -> datetime:
    """Return the instant of a wall-clock time of the exchange on `session`, in UTC."""
    return datetime.combine(session, wall_time, EXCHANGE_ZONE).astimezone(UTC)


@lru_cache(maxsize=1024)
def deadline(session: date, execution_price: str) -> datetime:
    """Return the instant before which a signal for `session` must have been received: 09:15 (open), 15:00 (close)."""
    return at(session, DEADLINES[ExecutionPrice(execution_price)])
