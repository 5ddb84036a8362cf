"""Signals of a strategy as its owner sees them, and the one way to take a signal back: before it is sealed."""

from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, select

from countersign.models.errors import RefusedError
from countersign.models.tables.attestation import Seal
from countersign.models.tables.operations import AuditEntry, account
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.signals.evidence import Attestation, read_attestations


@dataclass(frozen=True)
class SignalRecord:
    """One revision of a signal, with its state."""

    signal: Signal
    settled: bool
    attestation: Attestation


def list_signals(
    db: Session, strategy_id: int, limit: int, offset: int, *, all_revisions: bool = False
) -> list[SignalRecord]:
    """List a strategy's signals, newest session first: the newest revision of each, or all of them."""
    query = select(Signal).where(Signal.strategy_id == strategy_id)
    if not all_revisions:
        later = aliased(Signal)
        query = query.where(
            ~sa.exists().where(
                col(later.strategy_id) == col(Signal.strategy_id),
                col(later.session) == col(Signal.session),
                col(later.revision) > col(Signal.revision),
            )
        )
    newest_first = (col(Signal.session).desc(), col(Signal.revision).desc())
    return _records(db, list(db.exec(query.order_by(*newest_first).limit(limit).offset(offset))))


def newest_revision(db: Session, strategy_id: int, session: date) -> Signal | None:
    """Return the newest revision for a session, None if there is no signal."""
    query = select(Signal).where(Signal.strategy_id == strategy_id, Signal.session == session)
    return db.exec(query.order_by(col(Signal.revision).desc()).limit(1)).one_or_none()


def delete_signal(db: Session, strategy: Strategy, session: date, now: datetime) -> bool:
    """Take back all revisions for a session; False if there are none.

    RefusedError once the session is settled, the deadline has passed, or the sealer has claimed any of them; and for
    signed ones, as their signatures would outlive them.
    """
    found = list(db.exec(select(Signal).where(Signal.strategy_id == strategy.id, Signal.session == session)))
    if not found:
        return False
    where = f"{strategy.slug} for {session}"
    if db.exec(select(func.count()).where(Settlement.session == session)).one():
        raise RefusedError(f"signal: {where} is settled and immutable")
    if now >= found[0].deadline:
        raise RefusedError(f"signal: {where} is locked, deadline passed at {found[0].deadline:%F %T} UTC")
    claimed = col(Seal.signal_id).in_([signal.id for signal in found])
    if db.exec(select(func.count()).where(claimed)).one():
        raise RefusedError(f"signal: {where} is attested and cannot be deleted; submit a new revision instead")
    if any(signal.owner_signature for signal in found):
        raise RefusedError(
            f"signal: {where} is signed by its owner and cannot be deleted; submit a new revision instead"
        )
    for signal in found:
        db.delete(signal)
    db.add(
        AuditEntry(
            at=now, actor=account(strategy.owner_id), action="signal deleted", subject=f"{strategy.slug} {session}"
        )
    )
    return True


def _records(db: Session, signals: list[Signal]) -> list[SignalRecord]:
    attestations = read_attestations(db, [signal.id for signal in signals])
    sessions = {signal.session for signal in signals}
    query = sa.select(col(Settlement.session)).where(col(Settlement.session).in_(sessions)).distinct()
    settled = set(db.execute(query).scalars())
    return [SignalRecord(signal, signal.session in settled, attestations[signal.id]) for signal in signals]
