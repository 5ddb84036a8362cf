"""Sealing: received signals and settled sessions go from the ledger into the journal. The only writer of both sides.

Signals that wait become one commit. A signal is claimed in the ledger first, which fixes its record byte for byte;
then the commit is made; then the ledger records it. A crash in between is repaired by doing the same again: records
that are in the journal already are found there, with the commit that brought them, and nothing is written twice.

Before anything is built upon the journal, it is reconciled with the ledger
(`services/attestation/reconciliation/reconcile.py`). Where the journal holds other bytes than ours, that strategy or
that day is set aside (`services/attestation/setting_aside.py`), and all others go on.
"""

from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.domain.attestation import records
from countersign.domain.attestation.record_reader import SealRecord, Terms
from countersign.models.tables.attestation import REVEAL, SEAL, TIMESTAMPS, Disclosure, JournalCommit, Seal, Timestamp
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.attestation.disclosures import disclosed_files, due_settlements, settlement_to_disclose
from countersign.services.attestation.reconciliation.reconcile import reconcile
from countersign.services.attestation.retirements import due_retirements, record_retirements
from countersign.services.attestation.rotation import finish_rotation
from countersign.services.attestation.setting_aside import (
    alert_what_is_aside,
    aside,
    days_aside,
    set_aside,
    settle_conflict,
    take_up_again,
)
from countersign.services.attestation.stops import LEASE, alerting, close_alert
from countersign.store.home import Home
from countersign.store.journal.journal import Added, JournalEntry, PathConflict, Writer
from countersign.store.ledger.chunks import chunked
from countersign.store.ledger.facts import JOURNAL_CLOCK, JOURNAL_HEAD, keep_fact
from countersign.store.ledger.heartbeat import Heartbeat
from countersign.store.ledger.leases import lease

BATCH = 10_000
SIGNAL = (
    Signal.id,
    Signal.session,
    Signal.revision,
    Signal.signal_hash,
    Signal.symbols_count,
    Signal.received_at,
    Signal.deadline,
    Signal.owner_signature,
    Seal.previous,
    Seal.strategy_id,
)
TERMS = tuple(name for name in Terms.__slots__ if name != "strategy")
SEALED = tuple(name for name in SealRecord.__slots__ if name not in {"strategy", "simulated"})


@dataclass(frozen=True)
class SealOutcome:
    """Outcome of one sealing round; `commits` are the new ones, oldest first."""

    sealed: int
    disclosed: int
    commits: tuple[JournalEntry, ...]


@dataclass(frozen=True)
class Extent:
    """Extent of the ledger at some moment: the newest signal and the newest settlement, 0 for none."""

    signal_id: int
    settlement_id: int


def extent(home: Home) -> Extent:
    """Return the extent of the ledger now."""
    with home.ledger.read() as db:
        return Extent(_newest_signal(db), db.exec(select(func.max(Settlement.id))).one() or 0)


def seal_pending(home: Home, now: datetime) -> SealOutcome:
    """Seal every signal that waits, then disclose every settled session that is due. Safe to repeat.

    LeaseError while another process seals. Any other error (ConflictError for a journal that stops sealing) also
    notifies the operator.
    """
    with sealing(home) as sealer:
        return sealer.seal(now)


def is_pending(home: Home) -> bool:
    """Say whether there is anything to seal or to disclose; cheap enough to ask many times a second."""
    with home.ledger.read() as db:
        return (
            _newest_signal(db) > _newest_claim(db)
            or db.exec(select(Seal.signal_id).where(col(Seal.commit_sha).is_(None), ~aside()).limit(1)).first()
            is not None
            or db.exec(select(Timestamp.id).where(col(Timestamp.stored_sha).is_(None)).limit(1)).first() is not None
            or bool(due_settlements(db, days_aside(db)))
            or bool(due_retirements(db, home.sessions, limit=1))
        )


@contextmanager
def sealing(home: Home) -> Generator["Sealer"]:
    """Be the sealer for as long as the block lasts. LeaseError if another live process is."""
    with lease(home.ledger, LEASE), ExitStack() as held:
        with alerting(home):
            reconcile(home, home.clock.now())
            finish_rotation(home)
            writer = held.enter_context(home.journal.writing(simulated=home.clock.simulated))
        yield Sealer(home, writer)


class Sealer:
    """Sealer of a home: `seal` as often as there is something to do."""

    def __init__(self, home: Home, writer: Writer) -> None:
        self.home, self.writer = home, writer
        self.simulated = home.clock.simulated
        # A new sealer tries again the strategies and days that another one has set aside.
        self._again = True
        self.heartbeat = Heartbeat(home.ledger)

    def seal(self, now: datetime, through: Extent | None = None) -> SealOutcome:
        """Seal the signals that wait at `now`, a commit a batch; then disclose the sessions that are due.

        `through`: leave later signals and settlements to a later call, which has a time of its own.
        """
        with alerting(self.home):
            return self._round(now, through or extent(self.home))

    def _round(self, now: datetime, through: Extent) -> SealOutcome:
        commits, sealed, disclosed = list[JournalEntry](), 0, 0
        self.writer.stand_on(reconcile(self.home, now))
        days = take_up_again(self.home) if self._again else None
        self._again = False
        while claimed := self._claim(through):
            fresh, count = self._seal(claimed, now)
            commits += fresh
            sealed += count
        with self.home.ledger.read() as db:
            due = [each for each in due_settlements(db, days_aside(db)) if each <= through.settlement_id]
        commits += record_retirements(self.home, self.writer, self._remember, now)
        for settlement_id in sorted({*due, *(days or ())}):
            try:
                commits += self._disclose(settlement_id, now)
                # Before the next day, which is the first one without the strategy.
                commits += record_retirements(self.home, self.writer, self._remember, now)
                disclosed += 1
            except PathConflict as error:
                set_aside(self.home, error, now, settlement_id=settlement_id)
        if days is not None:
            alert_what_is_aside(self.home, now)
        commits += self._store_tokens(now)
        self.writer.compact()
        close_alert(self.home)
        self.heartbeat.beat()
        return SealOutcome(sealed, disclosed, tuple(commits))

    def _claim(self, through: Extent) -> Sequence[Any]:
        """Return the claimed signals without a commit, oldest first: those of a crash, else the next that wait."""
        with self.home.ledger.read() as db:
            claimed = _claimed(db)
            waiting = through.signal_id > _newest_claim(db)
        if claimed or not waiting:
            return claimed
        with self.home.ledger.write() as db:
            fresh = (
                db.connection()
                .execute(
                    sa.select(col(Signal.id), col(Signal.strategy_id), col(Signal.signal_hash))
                    .where(col(Signal.id) > _newest_claim(db), col(Signal.id) <= through.signal_id)
                    .order_by(col(Signal.id))
                    .limit(BATCH)
                )
                .all()
            )
            heads = _chain_heads(db, {row.strategy_id for row in fresh})
            rows = []
            for signal_id, strategy_id, signal_hash in fresh:
                previous = heads.get(strategy_id, "")
                rows.append({"signal_id": signal_id, "strategy_id": strategy_id, "previous": previous})
                heads[strategy_id] = signal_hash
            db.connection().execute(sa.insert(Seal.__table__), rows)  # type: ignore[attr-defined]
            return _claimed(db)

    def _seal(self, claimed: Sequence[Any], now: datetime) -> tuple[list[JournalEntry], int]:
        """Seal the claimed signals, but for strategies that conflict; return the new commits and how many signals."""
        while claimed:
            paths = {row.id: records.seal_path(row.slug, row.session, row.revision) for row in claimed}
            files = {path: self._record(row) for path, row in zip(paths.values(), claimed, strict=True)}
            first = {records.terms_path(row.slug): row for row in claimed if not row.previous}
            files |= {path: _terms(row) for path, row in first.items()}
            # A clock that stepped back since must not make a seal look older than its signal.
            moment = max(now, *(row.received_at for row in claimed))
            try:
                added = self.writer.add(files, f"seal {len(paths)} signals", moment)
            except PathConflict as error:
                owners = {paths[row.id]: row.strategy_id for row in claimed}
                owners |= {path: row.strategy_id for path, row in first.items()}
                set_aside(self.home, error, now, strategies=owners)
                at_odds = {owners[path] for path in error.paths}
                claimed = [row for row in claimed if row.strategy_id not in at_odds]
                continue
            with self.home.ledger.write() as db:
                shas = self._remember(db, SEAL, added, paths.values())
                sealed = [{"sealed": signal_id, "sha": shas[path]} for signal_id, path in paths.items()]
                update = sa.update(Seal).where(col(Seal.signal_id) == sa.bindparam("sealed"))
                db.connection().execute(update.values(commit_sha=sa.bindparam("sha")), sealed)
            return ([added.commit] if added.commit else []), len(sealed)
        return [], 0

    def _record(self, row: Any) -> bytes:
        sealed = {name: getattr(row, name) for name in SEALED}
        return records.seal_record(strategy=row.slug, simulated=self.simulated, **sealed)

    def _disclose(self, settlement_id: int, now: datetime) -> list[JournalEntry]:
        settlement = settlement_to_disclose(self.home, self.writer, settlement_id)
        record = records.settled_path(settlement.session, settlement.version)
        files = disclosed_files(self.home, settlement)
        added = self.writer.add(files, f"reveal {settlement.session}", max(now, settlement.settled_at))
        with self.home.ledger.write() as db:
            sha = self._remember(db, REVEAL, added, [record])[record]
            db.add(Disclosure(settlement_id=settlement.id, commit_sha=sha))
            settle_conflict(db, settlement.id)
        return [added.commit] if added.commit else []

    def _store_tokens(self, now: datetime) -> list[JournalEntry]:
        with self.home.ledger.read() as db:
            tokens = list(db.exec(select(Timestamp).where(col(Timestamp.stored_sha).is_(None)).limit(BATCH)))
        if not tokens:
            return []
        paths = [records.timestamp_path(token.commit_sha, token.authority) for token in tokens]
        files = {path: token.token for path, token in zip(paths, tokens, strict=True)}
        added = self.writer.add(files, f"timestamps for {len(tokens)} commits", now)
        with self.home.ledger.write() as db:
            shas = self._remember(db, TIMESTAMPS, added, paths)
            for path, token in zip(paths, tokens, strict=True):
                token.stored_sha = shas[path]
                db.add(token)
        return [added.commit] if added.commit else []

    def _remember(self, db: Session, kind: str, added: Added, paths: Iterable[str]) -> dict[str, str]:
        """Record in the ledger the commits that hold these files; return each file's commit."""
        found = self.home.journal.first_commits(added.known.intersection(paths))
        where = {path: commit for path in paths if (commit := found.get(path) or added.commit)}
        for commit in set(where.values()):
            if db.get(JournalCommit, commit.sha) is None:
                db.add(JournalCommit(sha=commit.sha, kind=kind, committed_at=commit.committed_at))
        if added.commit:
            keep_fact(db, JOURNAL_HEAD, added.commit.sha)
            keep_fact(db, JOURNAL_CLOCK, f"{added.commit.sha} {self.home.clock.kind}")
        db.flush()
        return {path: commit.sha for path, commit in where.items()}


def _newest_signal(db: Session) -> int:
    return db.exec(select(func.max(Signal.id))).one() or 0


def _newest_claim(db: Session) -> int:
    return db.exec(select(func.max(Seal.signal_id))).one() or 0


def _claimed(db: Session) -> Sequence[Any]:
    columns = [getattr(Strategy, name) for name in ("slug", *TERMS)]
    query = sa.select(*(col(column) for column in (*SIGNAL, *columns)))
    query = query.join(Signal, col(Signal.id) == col(Seal.signal_id))
    query = query.join(Strategy, col(Strategy.id) == col(Seal.strategy_id)).where(
        col(Seal.commit_sha).is_(None), ~aside()
    )
    return db.connection().execute(query.order_by(col(Seal.signal_id)).limit(BATCH)).all()


def _chain_heads(db: Session, strategy_ids: Iterable[int]) -> dict[int, str]:
    """Return the signal hash that each strategy's chain ends in; strategies without a record are left out."""
    newest = sa.select(func.max(col(Seal.signal_id))).where(col(Seal.strategy_id) == col(Strategy.id)).scalar_subquery()
    heads = dict[int, str]()
    for chunk in chunked(sorted(strategy_ids)):
        query = sa.select(col(Signal.strategy_id), col(Signal.signal_hash)).join(Strategy, col(Signal.id) == newest)
        rows = db.connection().execute(query.where(col(Strategy.id).in_(chunk)))
        heads.update((strategy_id, signal_hash) for strategy_id, signal_hash in rows)
    return heads


def _terms(row: Any) -> bytes:
    return records.terms_record(strategy=row.slug, **{name: getattr(row, name) for name in TERMS})
