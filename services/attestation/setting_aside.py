"""Setting aside: one strategy, or one settled day, whose path in the journal holds other bytes. All others go on.

A strategy or day set aside stays in the ledger as it is. The first round of each new sealer tries it again.
"""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from countersign.models.tables.attestation import JournalConflict, Seal
from countersign.services.notifications.notifications import notify, resolve
from countersign.store.home import Home
from countersign.store.journal.journal import PathConflict

CONFLICT = "journal conflict"


def aside() -> sa.Exists:
    """Whether the strategy of a seal is set aside, as a condition of a query on `Seal`."""
    return sa.exists().where(col(JournalConflict.strategy_id) == col(Seal.strategy_id))


def days_aside(db: Session) -> set[int]:
    """Return the settlements that are set aside."""
    found = db.exec(select(JournalConflict.settlement_id).where(col(JournalConflict.settlement_id).is_not(None)))
    return {settlement_id for settlement_id in found if settlement_id}


def set_aside(
    home: Home,
    conflict: PathConflict,
    now: datetime,
    *,
    strategies: Mapping[str, int] | None = None,
    settlement_id: int | None = None,
) -> None:
    """Set aside the strategies of the paths in conflict, or the settled day; notify the operator."""
    with home.ledger.write() as db:
        for path in conflict.paths if strategies else conflict.paths[:1]:
            row = db.get(JournalConflict, path) or JournalConflict(path=path, found_at=now)
            row.strategy_id, row.settlement_id = (strategies or {}).get(path), settlement_id
            db.add(row)
        db.flush()
        _notify(db, now)


def take_up_again(home: Home) -> list[int] | None:
    """Take up strategies and days that were set aside, if any: strategies from now on.

    Return the settled days to be tried again, which stay aside until they are disclosed.
    """
    with home.ledger.read() as db:
        if db.exec(select(JournalConflict.path).limit(1)).first() is None:
            return None
    with home.ledger.write() as db:
        db.connection().execute(sa.delete(JournalConflict).where(col(JournalConflict.settlement_id).is_(None)))
        return sorted(days_aside(db))


def settle_conflict(db: Session, settlement_id: int) -> None:
    """Forget that a settled day was set aside: it is disclosed."""
    db.connection().execute(sa.delete(JournalConflict).where(col(JournalConflict.settlement_id) == settlement_id))


def alert_what_is_aside(home: Home, now: datetime) -> None:
    """Notify the operator of strategies and days still set aside, or that there are none."""
    with home.ledger.write() as db:
        _notify(db, now)


def _notify(db: Session, now: datetime) -> None:
    paths = list(db.exec(select(JournalConflict.path).order_by(JournalConflict.path)))
    if not paths:
        resolve(db, CONFLICT, now)
        return
    named = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    text = f"{CONFLICT}: {named}: there already, with other bytes; set aside, and everything else is sealed"
    notify(db, CONFLICT, CONFLICT, text, now)
