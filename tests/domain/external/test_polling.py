"""Polling of a feed: when to ask, how far back, the meaning of an answer, and the gap missed. Answers by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.external.polling import (
    PollAction,
    action_for,
    action_for_status,
    backoff_seconds,
    default_cadence,
    next_attempt,
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
def test_the_window_reaches_back_to_the_last_good_answer_up_to_20_minutes(
    every: int, minutes_since_good: float | None, window: int
) -> None:
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
        (0, "Success", PollAction.STORE),
        (0, "No new signals available", PollAction.STORE),
        (1, "Missing key", PollAction.STOP_CONFIGURATION),
        (1, "Invalid type", PollAction.STOP_CONFIGURATION),
        (4, "Unable to validate API Key", PollAction.BACK_OFF),
        (5, "Invalid API Key", PollAction.STOP_KEY),
        (5, "System unavailable", PollAction.BACK_OFF),
        (5, "SYSTEM UNAVAILABLE", PollAction.BACK_OFF),
        (6, "Rate limit exceeded", PollAction.BACK_OFF),
        (77, "?", PollAction.BACK_OFF),
    ],
)
def test_a_code_of_the_feed_gives_its_action(code: int, message: str, action: PollAction) -> None:
    assert action_for(code, message) is action


def test_a_status_of_http_gives_its_action() -> None:
    meant = {
        200: PollAction.STORE,
        401: PollAction.STOP_KEY,
        404: PollAction.STOP_CONFIGURATION,
        408: PollAction.BACK_OFF,
    }
    assert {status: action_for_status(status) for status in meant} == meant


def test_the_backoff_doubles_from_30_seconds_to_10_minutes() -> None:
    assert [backoff_seconds(n) for n in (1, 2, 3, 4, 5, 6, 7, 1000)] == [30, 60, 120, 240, 480, 600, 600, 600]


@pytest.mark.parametrize(
    ("failures", "minutes_since_good", "asked_to_wait", "seconds"),
    [
        (1, None, None, 30),
        (9, None, None, 600),
        (1, 3, None, 30),
        (5, 3, None, 480),
        (5, 6, None, 420),
        (9, 19, None, 30),
        (9, 19.75, None, 10),
        (9, 20, None, 60),
        (1, 20, None, 30),
        (9, 24, None, 60),
        (9, 25, None, 600),
        (1, 3, 5, 30),
        (1, 3, 45, 45),
        (9, 19, 900, 900),
        (1, 3, 10**9, 3600),
    ],
)
def test_the_next_attempt_comes_before_the_window_is_over(
    failures: int, minutes_since_good: float | None, asked_to_wait: float | None, seconds: float
) -> None:
    good = None if minutes_since_good is None else NOW - timedelta(minutes=minutes_since_good)
    found = next_attempt(NOW, failures, good, retry_after_seconds=asked_to_wait)
    assert (found - NOW).total_seconds() == seconds


@given(st.integers(1, 600), st.integers(0, 600), st.floats(0, 1))
def test_a_feed_that_is_back_before_the_window_is_over_is_asked_within_it(
    longest: int, first: int, part: float
) -> None:
    window, begun = timedelta(minutes=longest), NOW + timedelta(seconds=first)
    back, at, failures = NOW + part * (window - timedelta(seconds=20)), begun, 0
    while at < back:
        failures += 1
        at = next_attempt(at, failures, NOW, longest)
    assert at <= max(NOW + window, begun)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Sun, 24 May 2026 12:00:45 GMT", 45),
        ("Sun, 24 May 2026 11:00:00 GMT", 0),
        ("-5", None),
        ("soon", None),
        ("Sun, 24 May 99999 12:00:45 GMT", None),
        ("Sun, 24 May 99999999999999999999 12:00:45 GMT", None),
        ("Sun, 24 May 2026 12:00:45 +999999999999999", None),
        ("", None),
        (None, None),
    ],
)
def test_a_retry_after_header_is_read_as_seconds(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, "Sun, 24 May 2026 12:00:00 GMT") == seconds


def test_a_date_to_wait_for_needs_one_to_count_from() -> None:
    assert retry_after("Sun, 24 May 2026 12:00:45 GMT", None) is None


def test_scalping_is_asked_for_three_times_as_often() -> None:
    assert [default_cadence(kind) for kind in ("SCALPING", "MID TERM", None)] == [60, 180, 180]
