"""Timeliness: the class that the times of a record prove."""

from datetime import UTC, datetime, timedelta
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.attestation.timeliness import commit_second, evidence, margin_seconds, seconds_late, time_class

RECEIVED = datetime(2026, 5, 14, 1, 10, 0, 120000, tzinfo=UTC)
NINE_FIFTEEN = datetime(2026, 5, 14, 1, 15, tzinfo=UTC)
THREE = datetime(2026, 5, 14, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize("closes_at", [NINE_FIFTEEN, THREE])
@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [(-1, "on_time"), (0, "on_time"), (1, "sealed_late"), (30, "sealed_late"), (31, "late"), (599, "late")],
)
def test_a_seal_within_half_a_minute_is_sealed_late_and_a_later_one_late(
    closes_at: datetime, seconds: int, verdict: str
) -> None:
    """The same for the open and the close: half a minute for the sealer, and no more."""
    assert time_class(closes_at, closes_at + timedelta(seconds=seconds)) == verdict


@given(st.integers(-90_000_000, 90_000_000))
def test_a_commit_is_judged_by_its_whole_second(microseconds: int) -> None:
    """Rounding up never costs a class, for any fraction of a second at which the sealer came round."""
    came = THREE + timedelta(microseconds=microseconds)
    expected = "on_time" if microseconds <= 0 else "sealed_late" if microseconds <= 30_000_000 else "late"
    committed_at = commit_second(came)
    assert time_class(THREE, committed_at) == expected
    assert seconds_late(THREE, committed_at) == max(ceil(microseconds / 1e6), 0)


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
