"""Reconciling journal and ledger, before anything is built upon the journal.

Commits of ours that the ledger lacks (it was restored from a back-up, or the sealer died before it wrote them down) are
adopted (`services/attestation/reconciliation/adoption.py`). Any other difference stops sealing, and names the command
that resolves it (`services/attestation/journal_repair.py`). No accepted signal is lost by that: it waits in the ledger.
"""

from datetime import datetime

from sqlmodel import Session

from countersign.models.errors import ConflictError
from countersign.services.attestation.reconciliation.adoption import adopt
from countersign.services.attestation.reconciliation.comparison import FETCH, Comparison, compare
from countersign.store.home import Home
from countersign.store.ledger.facts import JOURNAL_HEAD, REMOTE_AHEAD, keep_fact, read_fact


def inspect(home: Home, db: Session) -> tuple[Comparison, str]:
    """Compare journal, ledger and the known state of the remote; name the fault that stops sealing, "" for none.

    The words name the command that resolves it.
    """
    found = compare(home, db)
    ahead = read_fact(db, REMOTE_AHEAD)
    if ahead and not found.fault and not home.journal.has(ahead):
        return found, f"journal: its remote is ahead of it, at {ahead}, which we signed; {FETCH} takes what it has"
    return found, found.fault


def reconcile(home: Home, now: datetime) -> str | None:
    """Bring the ledger up to the journal; return the commit that may be built upon, None for an empty journal.

    ConflictError for a journal or a remote that stops sealing. The caller is the sealer, which notifies the operator of
    every error that stops it (`services/attestation/stops.py`).
    """
    with home.ledger.read() as db:
        found, fault = inspect(home, db)
        ahead = read_fact(db, REMOTE_AHEAD) is not None
    if fault:
        raise ConflictError(fault)
    if found.tip == found.left and not ahead:
        return found.tip
    with home.ledger.write() as db:
        if found.new:
            adopt(home, db, found.new, now)
        keep_fact(db, JOURNAL_HEAD, found.tip)
        keep_fact(db, REMOTE_AHEAD, None)
    return found.tip
