"""Repair of the journal: an operator's three commands for faults that stop sealing; without one they do nothing.

    reset    puts the branch back to the newest commit of ours; later commits are kept under refs/kept
    accept   takes the journal as it is: missing records are sealed again, byte for byte, with new dates
    fetch    takes the commits of ours that the remote has and the journal lacks

None of them forces anything upon the remote, and none forgets anything that the ledger has accepted.
"""

import time
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from countersign.models.errors import InputError, LeaseError, RefusedError, StoreError
from countersign.models.tables.attestation import Disclosure, JournalCommit, JournalConflict, Seal, Timestamp
from countersign.models.tables.operations import OPERATOR, AuditEntry
from countersign.services.attestation.reconciliation.comparison import Comparison, compare
from countersign.services.attestation.reconciliation.reconcile import inspect
from countersign.services.attestation.remote import borrowed, is_ahead, remote_head
from countersign.services.attestation.stops import LEASE, why_stopped
from countersign.store.home import Home
from countersign.store.journal.journal import BRANCH, NO_COMMIT
from countersign.store.journal.lock import hold_lock
from countersign.store.ledger.chunks import chunked
from countersign.store.ledger.facts import JOURNAL_HEAD, REMOTE_AHEAD, keep_fact
from countersign.store.ledger.leases import lease

KEPT = "refs/kept"
# A sealer that has stopped takes its lease for a moment only, whenever it looks again.
PATIENCE_SECONDS, PAUSE_SECONDS = 10.0, 0.05


def show_journal(home: Home) -> dict[str, Any]:
    """Return the newest commits of journal, ledger and remote, and the fault that stops sealing, "" for none."""
    with home.ledger.read() as db:
        found, fault = inspect(home, db)
        fault = fault or why_stopped(db)
        set_aside = list(db.exec(select(JournalConflict.path)))
    try:
        theirs = remote_head(home)
    except StoreError as error:
        theirs = str(error)
    row = {"journal": found.tip, "ledger": found.left, "remote": theirs, "new": len(found.new), "lost": len(found.lost)}
    return row | {"set_aside": set_aside, "stopped": fault}


def reset_journal(home: Home, now: datetime) -> dict[str, Any]:
    """Put the branch back to the newest commit that is ours; RefusedError if it is there already."""
    with _instead_of_the_sealer(home):
        found = _compare(home)
        if not (found.foreign or (found.lost and found.kept)):
            raise RefusedError("journal: nothing lies on its branch that is not ours, and it was not moved back")
        target = found.left if found.kept else found.safe
        if found.tip:
            home.journal.git("update-ref", f"{KEPT}/{found.tip}", found.tip)
        if target:
            home.journal.git("update-ref", BRANCH, target, found.tip or NO_COMMIT)
        else:
            home.journal.git("update-ref", "-d", BRANCH, str(found.tip))
        _write(home, now, "journal reset", f"from {found.tip} to {target}")
    return {"head": target, "kept": f"{KEPT}/{found.tip}"}


def accept_journal(home: Home, now: datetime) -> dict[str, Any]:
    """Have the records that the journal lacks sealed again; RefusedError if it lacks none, or has foreign commits."""
    with _instead_of_the_sealer(home):
        found = _compare(home)
        if found.foreign or not found.lost:
            raise RefusedError(found.fault or "journal: it lacks nothing that the ledger knows")
        with home.ledger.write() as db:
            signals = _forget(db, found.lost)
            keep_fact(db, JOURNAL_HEAD, None)
        detail = f"{len(found.lost)} commits are gone; {signals} signals are sealed again"
        _write(home, now, "journal accepted", detail)
    return {"head": found.tip, "lost_commits": len(found.lost), "signals_to_seal": signals}


def fetch_journal(home: Home, now: datetime) -> dict[str, Any]:
    """Take the remote's commits if they are ours and follow on the journal's; RefusedError for any others."""
    if not home.journal_remote:
        raise InputError("journal_remote", "the address of the journal's remote", "none")
    with _instead_of_the_sealer(home), borrowed(home) as remote:
        tip, theirs = home.journal.tip(), remote.tip()
        if theirs is None or (tip and home.journal.has(theirs)):
            return {"head": tip, "fetched": 0}
        if not is_ahead(remote, tip):
            raise RefusedError(f"journal: its remote is at {theirs}, which does not follow on {tip} as commits of ours")
        fetched = remote.git("rev-list", "--count", f"{tip}..{BRANCH}" if tip else BRANCH).decode().strip()
        home.journal.git("fetch", "-q", "--no-tags", str(remote.path), f"{BRANCH}:{KEPT}/fetched")
        home.journal.git("update-ref", BRANCH, theirs, tip or NO_COMMIT)
        home.journal.git("update-ref", "-d", f"{KEPT}/fetched")
        with home.ledger.write() as db:
            keep_fact(db, REMOTE_AHEAD, None)
        _write(home, now, "journal fetched", f"from {tip} to {theirs}")
    return {"head": theirs, "fetched": int(fetched)}


@contextmanager
def _instead_of_the_sealer(home: Home) -> Generator[None]:
    """Hold the sealer's lease and the repository's lock; LeaseError while a sealer is at work."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(lease(home.ledger, LEASE))
                break
            except LeaseError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(PAUSE_SECONDS)
        held.enter_context(hold_lock(home.journal.path))
        yield


def _compare(home: Home) -> Comparison:
    with home.ledger.read() as db:
        return compare(home, db)


def _write(home: Home, now: datetime, action: str, detail: str) -> None:
    with home.ledger.write() as db:
        db.add(AuditEntry(at=now, actor=OPERATOR, action=action, subject="journal", detail=detail))


def _forget(db: Session, lost: Iterable[str]) -> int:
    """Let nothing rest on these commits any more; return how many signals wait again."""
    shas, signals, run = sorted(lost), 0, db.connection().execute
    for gone in chunked(shas):
        signals += run(sa.update(Seal).where(col(Seal.commit_sha).in_(gone)).values(commit_sha=None)).rowcount
        run(sa.delete(Disclosure).where(col(Disclosure.commit_sha).in_(gone)))
        run(sa.delete(Timestamp).where(col(Timestamp.commit_sha).in_(gone)))
        run(sa.update(Timestamp).where(col(Timestamp.stored_sha).in_(gone)).values(stored_sha=None))
    for gone in chunked(shas):
        run(sa.delete(JournalCommit).where(col(JournalCommit.sha).in_(gone)))
    return signals
