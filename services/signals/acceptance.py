"""The desk: takes portfolios for one session, one after the other, within one writing transaction.

It decides by the ledger alone (status, deadline, settled or not, newest revision). `services/signals/submission.py`
checks the portfolios and owns the transaction.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.domain.sessions import deadline
from countersign.domain.signals.payload import payload, signal_hash
from countersign.models.enums import StrategyStatus
from countersign.models.errors import ConflictError, RefusedError
from countersign.models.tables.operations import account
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.signals.owner_signatures import (
    SignedSubmission,
    require_owner,
    require_signed,
    require_unsigned,
)
from countersign.services.strategies.lifecycle import change_status
from countersign.store.ledger.chunks import chunked


@dataclass(frozen=True)
class Receipt:
    """Receipt of one submission. `known`: the newest revision has the same content, and nothing was added.

    The salt is for the owner alone, and never shown in a log.
    """

    strategy: str
    session: date
    revision: int
    signal_hash: str
    known: bool
    signal_id: int
    received_at: datetime
    deadline: datetime
    salt: str = field(repr=False)
    owner_signature: str | None


class StrategyRef(NamedTuple):
    """Strategy with the columns that acceptance needs: loading whole objects of thousands of strategies is slow."""

    id: int
    slug: str
    owner_id: int
    status: str
    execution_price: str
    owner_key: str | None


@dataclass
class _Entry:
    """One revision; `signal_id` is 0 until it is written down."""

    signal_id: int
    revision: int
    portfolio: str
    symbols_count: int
    salt: str = field(repr=False)
    signal_hash: str
    received_at: datetime
    deadline: datetime
    owner_signature: str | None


class SignalAcceptance:
    """Takes portfolios for one session, of these strategies; `record` writes them down together."""

    def __init__(self, db: Session, session: date, strategies: Collection[StrategyRef]) -> None:
        self._db, self._session = db, session
        self._settled = db.exec(select(Settlement.id).where(Settlement.session == session)).first() is not None
        self._newest = _newest(db, session, [strategy.id for strategy in strategies])
        self._pending = _pending(db, [each.id for each in strategies if each.status == StrategyStatus.PENDING])
        self._fresh: list[tuple[int, _Entry]] = []
        self._taken: list[tuple[StrategyRef, _Entry, bool]] = []

    def take(
        self,
        strategy: StrategyRef,
        portfolio: str,
        symbols_count: int,
        received_at: datetime,
        signed: SignedSubmission | None = None,
    ) -> None:
        """Take one submission, wholly received at `received_at`; RefusedError or ConflictError change nothing.

        A strategy with its owner's key takes only submissions `signed` by it, any other only unsigned ones.
        A revision has a time of its own. It is never dated before the one it replaces, even if a clock steps back.
        """
        if self._settled:
            raise ConflictError(f"session: {self._session} is settled already")
        closes_at = _check_open(strategy, self._session, received_at)
        known = self._newest.get(strategy.id)
        revision, salt, hashed = self._identify(strategy, portfolio, known, signed)
        if known and known.portfolio == portfolio:
            self._taken.append((strategy, known, True))
            return
        if pending := self._pending.pop(strategy.id, None):
            change_status(self._db, pending, StrategyStatus.ACTIVE, received_at, actor=account(pending.owner_id))
        received_at = max(received_at, known.received_at) if known else received_at
        signature = signed.signature if signed else None
        entry = _Entry(0, revision, portfolio, symbols_count, salt, hashed, received_at, closes_at, signature)
        self._newest[strategy.id] = entry
        self._fresh.append((strategy.id, entry))
        self._taken.append((strategy, entry, False))

    def _identify(
        self, strategy: StrategyRef, portfolio: str, known: _Entry | None, signed: SignedSubmission | None
    ) -> tuple[int, str, str]:
        """Return revision, salt and hash: those its owner signed, else the next revision with a salt of our own."""
        newest = (known.revision, known.signal_hash) if known else (0, "")
        if strategy.owner_key is None:
            require_unsigned(strategy.slug, signed)
            revision, salt = newest[0] + 1, secrets.token_hex(16)
            return revision, salt, signal_hash(payload(strategy.slug, self._session, revision, salt, portfolio))
        signed = require_signed(strategy.slug, signed)
        hashed = require_owner(strategy.owner_key, strategy.slug, self._session, portfolio, newest, signed)
        return signed.revision, signed.salt, hashed

    def record(self) -> list[Receipt]:
        """Insert the submissions that were taken; return one receipt for each, in the order they were taken."""
        if self._fresh:
            self._write()
        return [
            Receipt(
                strategy.slug,
                self._session,
                entry.revision,
                entry.signal_hash,
                known,
                entry.signal_id,
                entry.received_at,
                entry.deadline,
                entry.salt,
                entry.owner_signature,
            )
            for strategy, entry, known in self._taken
        ]

    def _write(self) -> None:
        """Insert the fresh revisions, and read their ids back: all that are newer, since writers take turns.

        SQLAlchemy's RETURNING, asked for ids in order, would send SQLite a statement for each row.
        """
        before = self._db.exec(select(func.max(Signal.id))).one() or 0
        rows = [{**vars(entry), "strategy_id": owner, "session": self._session} for owner, entry in self._fresh]
        for row in rows:
            del row["signal_id"]
        self._db.connection().execute(sa.insert(Signal.__table__), rows)  # type: ignore[attr-defined]
        written = sa.select(col(Signal.strategy_id), col(Signal.revision), col(Signal.id)).where(
            col(Signal.id) > before
        )
        ids = {(owner, revision): signal_id for owner, revision, signal_id in self._db.connection().execute(written)}
        for owner, entry in self._fresh:
            entry.signal_id = ids[owner, entry.revision]


def _pending(db: Session, ids: list[int]) -> dict[int, Strategy]:
    """Those of them that are still pending: another session's desk may have activated some in this transaction."""
    pending: dict[int, Strategy] = {}
    for chunk in chunked(ids):
        ours = col(Strategy.id).in_(chunk)
        query = select(Strategy).where(ours, Strategy.status == StrategyStatus.PENDING)
        pending |= {row.id: row for row in db.exec(query)}
    return pending


def _newest(db: Session, session: date, ids: list[int]) -> dict[int, _Entry]:
    names = ("strategy_id", "id", *(each.name for each in fields(_Entry)[1:]))
    columns = [col(getattr(Signal, name)) for name in names]
    newest: dict[int, _Entry] = {}
    for chunk in chunked(ids):
        query = (
            sa.select(*columns)
            .where(col(Signal.session) == session, col(Signal.strategy_id).in_(chunk))
            .order_by(col(Signal.revision))
        )
        newest |= {strategy_id: _Entry(*entry) for strategy_id, *entry in db.connection().execute(query)}
    return newest


def _check_open(strategy: StrategyRef, session: date, received_at: datetime) -> datetime:
    slug, status = strategy.slug, strategy.status
    if status not in {StrategyStatus.PENDING, StrategyStatus.ACTIVE}:
        raise RefusedError(f"strategy status is {status}: {slug} is {status}, expected pending or active")
    closes_at = deadline(session, strategy.execution_price)
    if received_at >= closes_at:
        raise RefusedError(
            f"deadline: {slug} takes signals for {session} strictly before {closes_at:%F %T} UTC;"
            f" deadline passed, the last byte came at {received_at:%F %T.%f} UTC"
        )
    return closes_at
