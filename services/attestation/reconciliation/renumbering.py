"""Renumbering: signals in no commit make room for those that are adopted from the journal.

They get new ids, behind the adopted ones, and the next revision where the journal has given theirs away. A signal that
its owner signed cannot have another number than the one under the signature: it is taken out, its content is kept in
the audit log, and its owner is asked to sign again.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Session, col

from countersign.domain.signals.payload import payload, signal_hash
from countersign.models.tables.operations import OPERATOR, AuditEntry
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.notifications.notifications import notify


def move_behind(
    db: Session,
    waiting: Sequence[Signal],
    adopted: Iterable[tuple[Strategy, date, int]],
    top: int,
    kind: str,
    now: datetime,
) -> None:
    """Give waiting signals, oldest first, ids after `top`, and the next revision where theirs is taken.

    `adopted` are the revisions that come from the journal; notices are of this `kind`.
    """
    newest, strategies = dict[tuple[int, date], int](), dict[int, Strategy]()
    for strategy, session, revision in adopted:
        strategies[strategy.id] = strategy
        newest[strategy.id, session] = max(revision, newest.get((strategy.id, session), 0))
    moved = []
    for n, signal in enumerate(waiting, 1):
        key = (signal.strategy_id, signal.session)
        revision, hashed = signal.revision, signal.signal_hash
        db.expunge(signal)
        if key in newest and revision <= newest[key]:
            strategy = strategies[signal.strategy_id]
            if signal.owner_signature:
                _take_out(db, signal, strategy, newest[key] + 1, kind, now)
                continue
            revision = newest[key] + 1
            hashed = signal_hash(payload(strategy.slug, signal.session, revision, signal.salt, signal.portfolio))
            text = (
                f"{strategy.slug}, {signal.session}: revision {signal.revision} is now revision {revision}, with the"
                f" hash {hashed}; the journal had sealed others under that number"
            )
            notify(db, f"renumbered {hashed}", kind, text, now, strategy.owner_id)
        if key in newest:
            newest[key] = revision
        moved.append({"old": signal.id, "id": top + n, "revision": revision, "signal_hash": hashed})
    # The last first: no revision meets the one that is still to make room for it.
    for row in reversed(moved):
        old = row.pop("old")
        db.connection().execute(sa.update(Signal).where(col(Signal.id) == old).values(**row))


def _take_out(db: Session, signal: Signal, strategy: Strategy, following: int, kind: str, now: datetime) -> None:
    text = (
        f"{strategy.slug}, {signal.session}: revision {signal.revision} with the hash {signal.signal_hash} was taken"
        f" out: the journal had sealed another under that number, and your key signed this one. Sign it again as"
        f" revision {following} before the deadline"
    )
    db.connection().execute(sa.delete(Signal).where(col(Signal.id) == signal.id))
    notify(db, f"taken out {signal.signal_hash}", kind, text, now, strategy.owner_id)
    detail = f"revision {signal.revision}, {signal.signal_hash}: {signal.portfolio}"
    subject = f"{strategy.slug} {signal.session}"
    db.add(AuditEntry(at=now, actor=OPERATOR, action="signal taken out", subject=subject, detail=detail))
