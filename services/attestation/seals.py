"""Seals in the ledger, and the sealer at work. Read-only: `services/attestation/sealing.py` seals."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col

from countersign.models.tables.attestation import JournalCommit, Seal
from countersign.models.tables.operations import Lease
from countersign.services.attestation.stops import LEASE
from countersign.store.clock import wall_clock
from countersign.store.ledger.chunks import chunked
from countersign.store.ledger.leases import holder_is_here, holder_lives


@dataclass(frozen=True)
class SealStatus:
    """The commit that sealed a signal; `pushed_at` None: no remote has it yet."""

    commit_sha: str
    commit_time: datetime
    pushed_at: datetime | None


def read_seals(db: Session, signal_ids: Collection[int]) -> dict[int, SealStatus]:
    """Return the seals of those signals that are in the journal, by signal."""
    found = dict[int, SealStatus]()
    columns = (Seal.signal_id, JournalCommit.sha, JournalCommit.committed_at, JournalCommit.pushed_at)
    query = sa.select(*(col(column) for column in columns)).join(
        JournalCommit, col(JournalCommit.sha) == col(Seal.commit_sha)
    )
    for chunk in chunked(sorted(signal_ids)):
        rows = db.execute(query.where(col(Seal.signal_id).in_(chunk)))
        found |= {signal_id: SealStatus(sha, time, pushed) for signal_id, sha, time, pushed in rows}
    return found


def sealer_at_work(db: Session) -> bool:
    """Whether a live process holds the right to seal.

    One of this machine is asked itself: after a step of the clock its lease looks expired until it renews it.
    """
    found = db.get(Lease, LEASE)
    if found is None or not holder_lives(found.holder):
        return False
    return holder_is_here(found.holder) or found.expires_at > wall_clock()
