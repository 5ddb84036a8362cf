"""Reminders: a deadline that is near, and signals whose seal came after it. Each is sent once, however often asked."""

from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col

from countersign.domain.attestation.timeliness import SEALING_ALLOWANCE, TimeClass, seconds_late, time_class
from countersign.domain.sessions import DEADLINES, EXCHANGE_ZONE, Sessions, deadline
from countersign.models.enums import ExecutionPrice, NoticeKind, StrategyStatus
from countersign.models.tables.attestation import JournalCommit, Seal
from countersign.models.tables.operations import Notification
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.notifications.notifications import notice, notify_users
from countersign.store.home import Home

NEAR = timedelta(minutes=15)
# A strategy that signalled in one of the sessions before is expected to go on.
LOOKBACK = 5
SEALS_LOOKBACK = 2
NEAR_KEY, LATE_KEY = "near ", "late "


def remind(home: Home, now: datetime) -> int:
    """Remind the owners of the deadlines around `now`; return how many notifications are new.

    Cheap: one question to the ledger in the quarter of an hour before a deadline, and one about the last two sessions.
    """
    today = now.astimezone(EXCHANGE_ZONE).date()
    if today > home.sessions.known_until:
        return 0
    with home.ledger.read() as db:
        notices = [*_missing(db, home.sessions, today, now), *_late(db, home.sessions, today, now)]
    if not notices:
        return 0
    with home.ledger.write() as db:
        return notify_users(db, notices)


def _missing(db: Session, sessions: Sessions, today: date, now: datetime) -> list[dict[str, object]]:
    """Active strategies that signalled lately, and have nothing for today a quarter of an hour before the deadline."""
    if today not in sessions:
        return []
    found = []
    recent = _sessions_before(sessions, today, LOOKBACK)
    for price in DEADLINES:
        closes_at = deadline(today, price)
        if recent and closes_at - NEAR <= now < closes_at:
            for slug, owner in db.execute(_silent(price, recent[0], today)):
                minutes = -(-(closes_at - now).total_seconds() // 60)
                local = closes_at.astimezone(EXCHANGE_ZONE)
                text = f"{slug}: no signal for {today} yet; the deadline is {local:%H:%M}, in {minutes:.0f} minutes"
                found.append(notice(f"{NEAR_KEY}{slug} {today}", NoticeKind.DEADLINE_NEAR, text, now, owner))
    return found


def _silent(price: ExecutionPrice, since: date, today: date) -> sa.Select[tuple[str, int]]:
    def signalled(*when: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        return sa.exists().where(col(Signal.strategy_id) == col(Strategy.id), *when)

    key = sa.literal(NEAR_KEY) + col(Strategy.slug) + sa.literal(f" {today}")
    return sa.select(col(Strategy.slug), col(Strategy.owner_id)).where(
        col(Strategy.status) == StrategyStatus.ACTIVE,
        col(Strategy.execution_price) == price,
        signalled(col(Signal.session) >= since, col(Signal.session) < today),
        ~signalled(col(Signal.session) == today),
        _untold(key),
    )


def _untold(key: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Leave out earlier notifications: asking again then writes nothing, in the minutes when everybody submits."""
    return ~sa.exists().where(col(Notification.key) == key)


def _late(db: Session, sessions: Sessions, today: date, now: datetime) -> list[dict[str, object]]:
    """Signals of the last sessions that were committed after their deadline, or half a minute after it not at all."""
    recent = [*_sessions_before(sessions, today, SEALS_LOOKBACK - 1), today]
    query = (
        sa.select(
            *(col(column) for column in (Signal.id, Strategy.slug, Strategy.owner_id, Signal.session)),
            *(col(column) for column in (Signal.revision, Signal.deadline, JournalCommit.committed_at)),
        )
        .join(Strategy, col(Strategy.id) == col(Signal.strategy_id))
        .outerjoin(Seal, col(Seal.signal_id) == col(Signal.id))
        .outerjoin(JournalCommit, col(JournalCommit.sha) == col(Seal.commit_sha))
        .where(
            col(Signal.session).in_(recent),
            sa.or_(
                sa.and_(col(JournalCommit.committed_at).is_(None), col(Signal.deadline) < now - SEALING_ALLOWANCE),
                col(JournalCommit.committed_at) > col(Signal.deadline),
            ),
            _untold(sa.literal(LATE_KEY) + sa.cast(col(Signal.id), sa.String)),
        )
    )
    return [
        notice(
            f"{LATE_KEY}{signal_id}",
            NoticeKind.SEALED_LATE,
            f"{slug}: revision {revision} of the signal for {session} came in time, {_sealed(closes_at, committed_at)}",
            now,
            owner,
        )
        for signal_id, slug, owner, session, revision, closes_at, committed_at in db.execute(query)
    ]


def _sealed(closes_at: datetime, committed_at: datetime | None) -> str:
    if committed_at is None:
        return "and is not sealed: verification will call it late"
    seconds = f"and was sealed {seconds_late(closes_at, committed_at):,.0f} s after its deadline"
    late = time_class(closes_at, committed_at) is TimeClass.LATE
    return f"{seconds}: verification calls it late" if late else f"{seconds}, which is no fault"


def _sessions_before(sessions: Sessions, today: date, count: int) -> list[date]:
    """Return the last sessions before a day, ascending."""
    return sessions.between(today - timedelta(days=40), today - timedelta(days=1))[-count:]
