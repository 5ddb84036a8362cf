"""Sessions and deadlines on a calendar to be seen at once: Thu 2, Fri 3 January 2025, Mon 6, Wed 8 (Tue 7 closed)."""

from datetime import UTC, date, datetime, timedelta

import pytest

from countersign.domain.sessions import Sessions, deadline
from countersign.models.errors import HorizonError, InputError

THURSDAY, FRIDAY, MONDAY, WEDNESDAY = (date(2025, 1, day) for day in (2, 3, 6, 8))
SESSIONS = Sessions((THURSDAY, FRIDAY, MONDAY, WEDNESDAY), date(2025, 1, 10))
MICROSECOND = timedelta(microseconds=1)


def test_a_day_has_the_sessions_before_and_after_it() -> None:
    assert SESSIONS.next(FRIDAY) == MONDAY
    assert SESSIONS.next(date(2025, 1, 4)) == MONDAY
    assert SESSIONS.previous(MONDAY) == FRIDAY
    assert SESSIONS.previous(date(2025, 1, 5)) == FRIDAY
    assert SESSIONS.previous(THURSDAY) is None
    assert SESSIONS.between(FRIDAY, date(2025, 1, 7)) == [FRIDAY, MONDAY]
    assert SESSIONS.between(MONDAY, FRIDAY) == []
    assert date(2024, 1, 1) not in SESSIONS


def test_a_day_that_is_no_session_is_refused_with_the_next_one() -> None:
    with pytest.raises(InputError, match=r"until: .* session \(the next is 2025-01-06\), got 2025-01-04"):
        SESSIONS.require(date(2025, 1, 4), "until")
    # After the last session, but known to be none.
    with pytest.raises(InputError, match="2025-01-09"):
        SESSIONS.require(date(2025, 1, 9))
    with pytest.raises(HorizonError):
        SESSIONS.require(date(2025, 1, 11))


# 15:00 in Shanghai is 07:00 UTC.
@pytest.mark.parametrize(
    ("now", "newest"),
    [
        (datetime(2025, 1, 3, 7, tzinfo=UTC), FRIDAY),
        (datetime(2025, 1, 3, 7, tzinfo=UTC) - MICROSECOND, THURSDAY),
        (datetime(2025, 1, 5, 12, tzinfo=UTC), FRIDAY),
        (datetime(2025, 1, 5, 16, tzinfo=UTC), FRIDAY),  # midnight to Monday
        (datetime(2025, 1, 6, 6, 59, tzinfo=UTC), FRIDAY),
        (datetime(2025, 1, 7, 23, tzinfo=UTC), MONDAY),
    ],
)
def test_a_session_is_the_newest_closed_one_from_its_close_on(now: datetime, newest: date) -> None:
    assert SESSIONS.newest_closed(now) == newest


def test_before_the_first_close_and_after_the_horizon_none_is_the_newest() -> None:
    with pytest.raises(InputError, match="2025-01-02"):
        SESSIONS.newest_closed(datetime(2025, 1, 2, 6, 59, tzinfo=UTC))
    with pytest.raises(HorizonError):
        SESSIONS.newest_closed(datetime(2025, 1, 10, 16, tzinfo=UTC))


def test_the_horizon_is_announced_from_45_days_before() -> None:
    assert SESSIONS.horizon_warning(SESSIONS.known_until - timedelta(46)) is None
    warning = SESSIONS.horizon_warning(SESSIONS.known_until - timedelta(45))
    assert warning
    assert "2025-01-10, 45 days from 2024-11-26" in warning
    assert SESSIONS.horizon_warning(SESSIONS.known_until)


def test_deadlines_are_0915_and_1500_in_shanghai() -> None:
    assert deadline(THURSDAY, "open") == datetime(2025, 1, 2, 1, 15, tzinfo=UTC)
    assert deadline(THURSDAY, "close") == datetime(2025, 1, 2, 7, tzinfo=UTC)
    # Shanghai had summer time until 1991: 15:00 was 06:00 UTC.
    assert deadline(date(1991, 7, 1), "close") == datetime(1991, 7, 1, 6, tzinfo=UTC)
