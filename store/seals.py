"""What the ledger knows of seals, and of the sealer at work. Read-only: sealing is the sealer's business."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from models.columns import UTCDateTime
from models.operations import Lease
from store.clock import wall_clock
from store.lease import holder_lives

SEALER_LEASE = "sealer"
SEALS = sa.table(
    "seal",
    sa.column("signal_id", sa.Integer()),
    sa.column("commit_sha", sa.String()),
    sa.column("commit_time", UTCDateTime()),
    sa.column("pushed_at", UTCDateTime()),
)


@dataclass(frozen=True)
class Sealed:
    """The commit that sealed a signal; `pushed_at` None: no remote has it yet."""

    commit_sha: str
    commit_time: datetime
    pushed_at: datetime | None


def read_seals(db: Session, signal_ids: Collection[int]) -> dict[int, Sealed]:
    """Return the seals of those signals that are sealed, by signal."""
    if not signal_ids or not sa.inspect(db.connection()).has_table(SEALS.name):
        return {}
    ids, found = sorted(signal_ids), dict[int, Sealed]()
    for start in range(0, len(ids), 500):
        rows = db.execute(sa.select(SEALS).where(SEALS.c.signal_id.in_(ids[start : start + 500])))
        found |= {signal_id: Sealed(sha, time, pushed) for signal_id, sha, time, pushed in rows}
    return found


def sealer_at_work(db: Session) -> bool:
    """Whether a live process holds the right to seal."""
    found = db.get(Lease, SEALER_LEASE)
    return found is not None and found.expires_at > wall_clock() and holder_lives(found.holder)
