"""Settled sessions in the ledger, and those that are next."""

from datetime import date

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.domain.sessions import Sessions
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.signals.submission import first_session


def settlement_of(db: Session, session: date | None) -> Settlement | None:
    """Return the newest version of a session's settlement, None while it is not settled."""
    query = select(Settlement).where(Settlement.session == session).order_by(col(Settlement.version).desc())
    return db.exec(query).first()


def settled_before(db: Session, sessions: Sessions, session: date) -> date | None:
    """Return the session before this one if it is settled, else None: settling this one rests on it."""
    before = sessions.previous(session)
    return before if settlement_of(db, before) else None


def settled_through(db: Session) -> date | None:
    """Return the newest settled session. Sessions are settled in order, so everything due before it is settled too."""
    return db.exec(select(func.max(Settlement.session))).one()


def consistent_through(db: Session) -> date | None:
    """Return the session that was settled last: up to it, each session rests on the newest version of the one before.

    Later settled sessions rest on versions that a correction replaced since. They are settled again in their order, so
    the correction is complete once the last one settled is the newest one, as it always is without corrections.
    """
    return db.exec(select(col(Settlement.session)).order_by(col(Settlement.id).desc()).limit(1)).first()


def correction_under_way(db: Session) -> bool:
    """Whether settled sessions wait to be settled again, on a corrected one."""
    return consistent_through(db) != settled_through(db)


def due_sessions(db: Session, sessions: Sessions, through: date) -> list[date]:
    """List the sessions up to `through` that wait to be settled, oldest first: from the first one with a signal on.

    After a correction, the settled sessions behind it wait again.
    """
    settled = consistent_through(db)
    since = sessions.next(settled) if settled else first_session(db)
    if since is None or since > through:
        return []
    return sessions.between(since, through)


def last_strategy_id(db: Session) -> int:
    """Return the highest id of any strategy that was ever activated, 0 before that."""
    return db.exec(select(func.max(Strategy.id)).where(col(Strategy.activated_at).is_not(None))).one() or 0


def signal_hashes(db: Session, session: date) -> list[str]:
    """List the hashes of all signals for a session, in one order for ever."""
    query = sa.select(col(Signal.signal_hash)).where(col(Signal.session) == session)
    return list(db.connection().execute(query.order_by(col(Signal.strategy_id), col(Signal.revision))).scalars())


def settlement_of_version(db: Session, session: date, version: int) -> Settlement | None:
    """Return the settlement of a session if it is that version, else None."""
    return db.exec(select(Settlement).where(Settlement.session == session, Settlement.version == version)).first()
