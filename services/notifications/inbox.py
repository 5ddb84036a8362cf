"""Settled sessions as notifications, written when their reader first comes for them and not when they are settled.

Settling 10,000 strategies therefore costs nothing more, and the ledger does not grow by a row for each strategy and
session that nobody reads: the lake has it all. A reader who asks for their notifications, or has an address that wants
them, gets those since the last time; one who was away for long, the last `MOST_SESSIONS`.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.models.datasets import NAV, ORDERS
from countersign.models.enums import DELISTED, NoticeKind
from countersign.models.tables.notifications import Inbox
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.strategies import Strategy
from countersign.services.notifications.notifications import notice, notify_users
from countersign.store.home import Home

MOST_SESSIONS = 60


@dataclass(frozen=True)
class _Reader:
    """Reader of notifications: a user, and the newest settlement that they were notified of."""

    user_id: int
    told: int


def inbox_of(db: Session, user_id: int) -> Inbox:
    """Return a user's inbox; a new one where there is none yet."""
    found = db.get(Inbox, user_id)
    if found is None:
        found = Inbox(user_id=user_id)
        db.add(found)
        db.flush()
    return found


def catch_up(home: Home, user_ids: Collection[int]) -> int:
    """Write the notifications of settlements new to these users; return how many. Safe to repeat.

    Nothing is read from the lake, and nothing is locked, where no settlement is new.
    """
    with home.ledger.read() as db:
        newest = db.exec(select(func.max(Settlement.id))).one() or 0
        inboxes = db.execute(sa.select(col(Inbox.user_id), col(Inbox.told_settlement))).all()
        told = {row.user_id: row.told_settlement for row in inboxes}
        readers = [_Reader(user, told.get(user, 0)) for user in user_ids if told.get(user, 0) < newest]
        if not readers:
            return 0
        since = min(reader.told for reader in readers)
        query = select(Settlement).where(col(Settlement.id) > since).order_by(col(Settlement.id).desc())
        settlements = {row.session: row for row in reversed(db.exec(query.limit(MOST_SESSIONS)).all())}
        owners = _owners(db, {reader.user_id for reader in readers})
    notices = list(_notices(home, settlements, owners, {reader.user_id: reader.told for reader in readers}))
    with home.ledger.write() as db:
        count = notify_users(db, notices)
        for reader in readers:
            inbox = inbox_of(db, reader.user_id)
            inbox.told_settlement = max(inbox.told_settlement, newest)
            db.add(inbox)
    return count


def _owners(db: Session, users: set[int]) -> dict[str, int]:
    """Return the owner of each strategy of these users that was ever active."""
    query = sa.select(col(Strategy.slug), col(Strategy.owner_id)).where(col(Strategy.activated_at).is_not(None))
    if len(users) < 500:
        query = query.where(col(Strategy.owner_id).in_(users))
    return {slug: owner for slug, owner in db.execute(query) if owner in users}


def _notices(
    home: Home, settlements: dict[date, Settlement], owners: dict[str, int], told: dict[int, int]
) -> Iterator[dict[str, object]]:
    """Read the settlements' returns from the lake, oldest first."""
    slugs = pl.Series(sorted(owners), dtype=pl.String)
    for session in sorted(settlements):
        settlement = settlements[session]
        ours = pl.col("strategy").is_in(slugs.implode())
        navs = home.lake.scan(NAV, session, session).filter(ours).select("strategy", "nav", "daily_return")
        refused = (
            home.lake.scan(ORDERS, session, session)
            .filter(ours, pl.col("reason") != DELISTED)
            .group_by("strategy", "reason")
            .len()
            .sort("strategy", "reason")
        )
        reasons: dict[str, list[tuple[str, int]]] = {}
        for slug, reason, count in refused.collect().iter_rows():
            reasons.setdefault(slug, []).append((reason, count))
        for slug, nav, daily in navs.sort("strategy").collect().iter_rows():
            if told[owners[slug]] < settlement.id:
                yield _settled(settlement, slug, owners[slug], f"{nav:.2f}", daily)
                if slug in reasons:
                    yield _refused(settlement, slug, owners[slug], reasons[slug])


def _settled(settlement: Settlement, slug: str, owner: int, nav: str, daily: float | None) -> dict[str, object]:
    key = f"settled {slug} {settlement.session} {settlement.version}"
    again = f" again (version {settlement.version})" if settlement.version > 1 else ""
    moved = "" if daily is None else f"{daily:+.2%}, "
    text = f"{slug}: {settlement.session} settled{again}, {moved}NAV {nav} CNY"
    return notice(key, NoticeKind.SETTLED, text, settlement.settled_at, owner)


def _refused(settlement: Settlement, slug: str, owner: int, reasons: Sequence[tuple[str, int]]) -> dict[str, object]:
    key = f"refused {slug} {settlement.session} {settlement.version}"
    count = sum(count for _, count in reasons)
    said = ", ".join(f"{reason} {count}" for reason, count in reasons)
    text = f"{slug}: {count} orders of {settlement.session} were not filled, or only in part ({said})"
    return notice(key, NoticeKind.ORDERS_REFUSED, text, settlement.settled_at, owner)
