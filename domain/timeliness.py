"""Timeliness: what the times of a record prove. Pure.

Times are those of receipt, of the commit that sealed it, and of tokens for that commit, against the session's deadline.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from models.enums import ExecutionPrice

# From the deadline until the price is known: the opening auction ends at 09:25, the close is its own deadline.
PRICE_KNOWN_AFTER = {ExecutionPrice.OPEN: timedelta(minutes=10), ExecutionPrice.CLOSE: timedelta(0)}


class TimeClass(StrEnum):
    """When a record came into the journal, measured against its deadline by the time of its first commit."""

    ON_TIME = "on_time"
    SEALED_LATE = "sealed_late"
    LATE = "late"


class Evidence(StrEnum):
    """What a record's time rests on: the server's word, or a timestamp authority's token from before the deadline."""

    SERVER_ONLY = "server_only"
    TSA = "tsa"


def price_known_at(execution_price: str, deadline: datetime) -> datetime:
    """Return when the price that a signal trades at becomes known: 09:25 for the open, 15:00 for the close."""
    return deadline + PRICE_KNOWN_AFTER[ExecutionPrice(execution_price)]


def time_class(execution_price: str, deadline: datetime, committed_at: datetime) -> TimeClass:
    """Judge a record by the time of the first commit that contains it (committer time, whole seconds)."""
    if committed_at <= deadline:
        return TimeClass.ON_TIME
    # At 09:25 the price is known: strictly before it.
    early = committed_at < price_known_at(execution_price, deadline)
    return TimeClass.SEALED_LATE if early else TimeClass.LATE


def margin_seconds(received_at: datetime, deadline: datetime) -> float:
    """Return the seconds from receipt to the deadline; negative after it."""
    return (deadline - received_at).total_seconds()


def evidence(deadline: datetime, stamped_at: Iterable[datetime]) -> Evidence:
    """Judge what a record's time rests on, given the times in the tokens for its commit."""
    return Evidence.TSA if any(moment <= deadline for moment in stamped_at) else Evidence.SERVER_ONLY


def commit_second(now: datetime, *, not_before: datetime | None = None) -> datetime:
    """Return the time a commit carries: whole seconds, rounded up, so that no commit claims to be earlier than it was.

    `not_before` is the commit before it: a clock that steps back must not make a chain look written in advance.
    """
    second = now.astimezone(UTC).replace(microsecond=0)
    if second < now:
        second += timedelta(seconds=1)
    return max(second, not_before) if not_before else second
