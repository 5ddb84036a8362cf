"""Timeliness of a record, as its times prove it. Pure.

Times are those of receipt, of the commit that sealed it, and of tokens for that commit, against the session's deadline.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

# Time to commit a signal that was received in time: a busy sealer's round, for both prices.
SEALING_ALLOWANCE = timedelta(seconds=30)


class TimeClass(StrEnum):
    """Class of a record by the time of its first commit, measured against its deadline."""

    ON_TIME = "on_time"
    SEALED_LATE = "sealed_late"
    LATE = "late"


class TimeEvidence(StrEnum):
    """Evidence of a record's time: the server's word, or a timestamp authority's token from before the deadline."""

    SERVER_ONLY = "server_only"
    TSA = "tsa"


def time_class(deadline: datetime, committed_at: datetime) -> TimeClass:
    """Judge a record that was received in time by its first commit (committer time, whole seconds, rounded up).

    The deadline is a whole second: rounding never makes more than 30 s of 30 s or less.
    """
    if committed_at <= deadline:
        return TimeClass.ON_TIME
    return TimeClass.SEALED_LATE if committed_at <= deadline + SEALING_ALLOWANCE else TimeClass.LATE


def seconds_late(deadline: datetime, committed_at: datetime) -> float:
    """Return the seconds from the deadline to the commit, 0 for one that came by the deadline."""
    return max((committed_at - deadline).total_seconds(), 0.0)


def margin_seconds(received_at: datetime, deadline: datetime) -> float:
    """Return the seconds from receipt to the deadline; negative after it."""
    return (deadline - received_at).total_seconds()


def evidence(deadline: datetime, stamped_at: Iterable[datetime]) -> TimeEvidence:
    """Return the evidence of a record's time, given the times in the tokens for its commit."""
    return TimeEvidence.TSA if any(moment <= deadline for moment in stamped_at) else TimeEvidence.SERVER_ONLY


def commit_second(now: datetime, *, not_before: datetime | None = None) -> datetime:
    """Return the time a commit carries: whole seconds, rounded up, so that no commit claims to be earlier than it was.

    `not_before` is the commit before it: a clock that steps back must not make a chain look written in advance.
    """
    second = now.astimezone(UTC).replace(microsecond=0)
    if second < now:
        second += timedelta(seconds=1)
    return max(second, not_before) if not_before else second
