"""Agreement of journal, ledger and remote, and whether the sealer is alive. Cheap enough for every scrape.

Results of dearer looks at git and the remote are read from the ledger: the sealer and each push leave them there.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, func, select

from countersign.models.tables.attestation import JournalConflict
from countersign.models.tables.operations import Lease
from countersign.services.attestation.pushing import DIVERGED, MOVED_BACK, NOT_PUSHED
from countersign.services.attestation.stops import LEASE, why_stopped
from countersign.services.notifications.notifications import is_open
from countersign.store.clock import wall_clock
from countersign.store.home import Home
from countersign.store.ledger.facts import JOURNAL_HEAD, REMOTE_AHEAD, SEALER_SEEN, read_fact
from countersign.store.ledger.leases import holder_lives

# A sealer makes a round every half minute at least; one that is silent for longer hangs.
SILENT_AFTER = timedelta(minutes=5)


@dataclass(frozen=True)
class Agreement:
    """State of sealing. `sealer_seen_at` (wall clock): the sealer's last round, None before the first.

    `stopped` says what stops all sealing, "" for nothing. `remote_agrees` is None without a remote; `set_aside` counts
    strategies and days that are not sealed for a conflict.
    """

    sealer_alive: bool
    sealer_seen_at: datetime | None
    stopped: str
    journal_agrees: bool
    remote_agrees: bool | None
    set_aside: int


def read_agreement(home: Home, db: Session) -> Agreement:
    """Read the state of sealing from the ledger and the journal's tip."""
    seen = read_fact(db, SEALER_SEEN)
    seen_at = datetime.fromisoformat(seen) if seen else None
    lease, now = db.get(Lease, LEASE), wall_clock()
    alive = lease is not None and lease.expires_at > now and holder_lives(lease.holder)
    if lease and alive:
        alive = now - max(lease.acquired_at, seen_at or lease.acquired_at) < SILENT_AFTER
    left, stopped = read_fact(db, JOURNAL_HEAD), why_stopped(db)
    agrees = not stopped and (home.journal.tip() == left or left is None or home.journal.has(left))
    remote = None
    if home.journal_remote:
        remote = not is_open(db, DIVERGED, MOVED_BACK, NOT_PUSHED) and read_fact(db, REMOTE_AHEAD) is None
    aside = db.exec(select(func.count(col(JournalConflict.path)))).one()
    return Agreement(alive, seen_at, stopped, agrees, remote, aside)
