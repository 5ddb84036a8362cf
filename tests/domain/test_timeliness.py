"""Timeliness: what the times of a record prove."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.timeliness import commit_second, evidence, margin_seconds, time_class

RECEIVED = datetime(2026, 5, 14, 1, 10, 0, 120000, tzinfo=UTC)
NINE_FIFTEEN = datetime(2026, 5, 14, 1, 15, tzinfo=UTC)
THREE = datetime(2026, 5, 14, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("price", "closes_at", "seconds", "verdict"),
    [
        ("open", NINE_FIFTEEN, -1, "on_time"),
        ("open", NINE_FIFTEEN, 0, "on_time"),
        ("open", NINE_FIFTEEN, 1, "sealed_late"),
        ("open", NINE_FIFTEEN, 599, "sealed_late"),
        ("open", NINE_FIFTEEN, 600, "late"),
        ("close", THREE, 0, "on_time"),
        ("close", THREE, 1, "late"),
    ],
)
def test_classes(price: str, closes_at: datetime, seconds: int, verdict: str) -> None:
    assert time_class(price, closes_at, closes_at + timedelta(seconds=seconds)) == verdict


def test_evidence_is_a_token_from_before_the_deadline() -> None:
    late, early = NINE_FIFTEEN + timedelta(microseconds=1), NINE_FIFTEEN
    assert evidence(NINE_FIFTEEN, []) == evidence(NINE_FIFTEEN, [late]) == "server_only"
    assert evidence(NINE_FIFTEEN, [late, early]) == "tsa"
    assert margin_seconds(RECEIVED, NINE_FIFTEEN) == 299.88


instants = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(instants, st.none() | instants)
def test_no_commit_claims_to_be_earlier_than_it_was(now: datetime, before: datetime | None) -> None:
    second = commit_second(now, not_before=before and before.replace(microsecond=0))
    assert second >= now
    assert second.microsecond == 0
    assert second - now < timedelta(seconds=1) or (before and second == before.replace(microsecond=0))
