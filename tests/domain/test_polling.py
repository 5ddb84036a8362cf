"""When to ask a feed, how far back, what its answer means, and what was missed. Answers by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.polling import (
    Action,
    action_for,
    action_for_status,
    backoff_seconds,
    default_cadence,
    retry_after,
    uncovered,
    window_minutes,
)

NOW = datetime(2026, 5, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("every", "minutes_since_good", "window"),
    [
        (60, None, 2),
        (180, None, 4),
        (60, 1, 2),
        (60, 5, 6),
        (60, 18.5, 20),
        (60, 19, 20),
        (60, 25, 20),
        (1800, None, 20),
    ],
)
def test_the_window(every: int, minutes_since_good: float | None, window: int) -> None:
    good = None if minutes_since_good is None else NOW - timedelta(minutes=minutes_since_good)
    assert window_minutes(NOW, good, every) == window


@given(st.integers(10, 86_400), st.floats(0, 5_000), st.integers(1, 600))
def test_a_window_and_a_gap_leave_nothing_out(every: int, minutes: float, longest: int) -> None:
    good = NOW - timedelta(minutes=minutes)
    missed = uncovered(NOW, good, longest)
    seen_from = NOW - timedelta(minutes=window_minutes(NOW, good, every, longest))
    assert missed == (good, seen_from) if missed else seen_from <= good


@pytest.mark.parametrize(("minutes", "missed"), [(5, None), (20, None), (25, 5)])
def test_only_an_outage_longer_than_the_feeds_window_leaves_a_gap(minutes: int, missed: int | None) -> None:
    good = NOW - timedelta(minutes=minutes)
    assert uncovered(NOW, good) == (missed and (good, good + timedelta(minutes=missed)))
    assert uncovered(NOW, None) is None


@pytest.mark.parametrize(
    ("code", "message", "action"),
    [
        (0, "Success", Action.STORE),
        (0, "No new signals available", Action.STORE),
        (1, "Missing key", Action.STOP_CONFIGURATION),
        (1, "Invalid type", Action.STOP_CONFIGURATION),
        (4, "Unable to validate API Key", Action.BACK_OFF),
        (5, "Invalid API Key", Action.STOP_KEY),
        (5, "System unavailable", Action.BACK_OFF),
        (5, "SYSTEM UNAVAILABLE", Action.BACK_OFF),
        (6, "Rate limit exceeded", Action.BACK_OFF),
        (77, "?", Action.BACK_OFF),
    ],
)
def test_what_a_code_means(code: int, message: str, action: Action) -> None:
    assert action_for(code, message) is action


def test_what_a_status_means() -> None:
    meant = {200: Action.STORE, 401: Action.STOP_KEY, 404: Action.STOP_CONFIGURATION, 408: Action.BACK_OFF}
    assert {status: action_for_status(status) for status in meant} == meant


def test_the_backoff_doubles_from_30_seconds_to_10_minutes_and_is_longer_if_the_feed_says_so() -> None:
    assert [backoff_seconds(n) for n in (1, 2, 3, 4, 5, 6, 7, 1000)] == [30, 60, 120, 240, 480, 600, 600, 600]
    assert [backoff_seconds(1, wait) for wait in (None, 5, 45, 10**9)] == [30, 30, 45, 3600]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Sun, 24 May 2026 12:00:45 GMT", 45),
        ("Sun, 24 May 2026 11:00:00 GMT", 0),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, "Sun, 24 May 2026 12:00:00 GMT") == seconds


def test_a_date_to_wait_for_needs_one_to_count_from() -> None:
    assert retry_after("Sun, 24 May 2026 12:00:45 GMT", None) is None


def test_scalping_is_asked_for_three_times_as_often() -> None:
    assert [default_cadence(kind) for kind in ("SCALPING", "MID TERM", None)] == [60, 180, 180]
