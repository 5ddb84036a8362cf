"""Evidence: the sealing of signals in the ledger, as it is shown beside each of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col

from countersign.domain.attestation.records import seal_path, timestamp_path
from countersign.domain.attestation.timeliness import (
    TimeClass,
    TimeEvidence,
    evidence,
    margin_seconds,
    seconds_late,
    time_class,
)
from countersign.models.tables.attestation import JournalCommit, Seal, Timestamp
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.store.ledger.chunks import chunked


@dataclass(frozen=True)
class Token:
    """A timestamp authority's token for a commit; `path` is where the journal has, or will have, it."""

    authority: str
    stamped_at: datetime
    path: str


@dataclass(frozen=True)
class Attestation:
    """Attestation of one signal. Fields of its commit are None (and `pushed` false) while there is none."""

    signal_hash: str
    previous: str | None
    path: str
    margin_seconds: float
    sha: str | None = None
    committed_at: datetime | None = None
    pushed: bool = False
    time_class: TimeClass | None = None
    seconds_late: float | None = None
    evidence: TimeEvidence | None = None
    tokens: tuple[Token, ...] = ()

    @property
    def committed(self) -> bool:
        """Whether it is in the journal."""
        return self.sha is not None


def read_attestations(db: Session, signal_ids: Sequence[int]) -> dict[int, Attestation]:
    """Read how signals are sealed, by signal id. The class is for the commit that sealed each."""
    found: dict[int, Attestation] = {}
    for chunk in chunked(signal_ids):
        rows = db.execute(_QUERY.where(col(Signal.id).in_(chunk))).all()
        tokens = _tokens(db, {row.sha for row in rows if row.sha})
        for row in rows:
            path = seal_path(row.slug, row.session, row.revision)
            margin = margin_seconds(row.received_at, row.deadline)
            if row.sha is None:
                found[row.id] = Attestation(row.signal_hash, row.previous, path, margin)
                continue
            stamped = tokens.get(row.sha, ())
            found[row.id] = Attestation(
                row.signal_hash,
                row.previous,
                path,
                margin,
                row.sha,
                row.committed_at,
                row.pushed_at is not None,
                time_class(row.deadline, row.committed_at),
                seconds_late(row.deadline, row.committed_at),
                evidence(row.deadline, (token.stamped_at for token in stamped)),
                stamped,
            )
    return found


_COLUMNS = (
    Signal.id,
    Signal.session,
    Signal.revision,
    Signal.signal_hash,
    Signal.received_at,
    Signal.deadline,
    Strategy.slug,
    Seal.previous,
    JournalCommit.sha,
    JournalCommit.committed_at,
    JournalCommit.pushed_at,
)
_QUERY = (
    sa.select(*(col(column) for column in _COLUMNS))
    .select_from(Signal)
    .join(Strategy, col(Strategy.id) == col(Signal.strategy_id))
    .outerjoin(Seal, col(Seal.signal_id) == col(Signal.id))
    .outerjoin(JournalCommit, col(JournalCommit.sha) == col(Seal.commit_sha))
)


def _tokens(db: Session, shas: set[str]) -> dict[str, tuple[Token, ...]]:
    columns = (Timestamp.commit_sha, Timestamp.authority, Timestamp.stamped_at)
    query = sa.select(*(col(column) for column in columns)).order_by(col(Timestamp.authority))
    tokens: dict[str, tuple[Token, ...]] = {}
    for sha, authority, stamped_at in db.execute(query.where(col(Timestamp.commit_sha).in_(shas))):
        token = Token(authority, stamped_at, timestamp_path(sha, authority))
        tokens[sha] = (*tokens.get(sha, ()), token)
    return tokens
