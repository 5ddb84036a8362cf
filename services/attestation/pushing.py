"""Pushing the journal to its remote: anything git can push to. Never by force, and never in the way of sealing.

A push that fails loses nothing: its commits stay unpushed in the ledger, and the next push takes them all. Commits are
`pushed` only while the remote has them: a remote that was emptied or rolled back is reported, and gets them again; one
with commits that are not ours gets nothing until the operator has looked.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa
from sqlmodel import Session, col, select

from countersign.models.errors import StoreError
from countersign.models.tables.attestation import JournalCommit
from countersign.services.attestation.remote import (
    REMOTE,
    TIMEOUT_SECONDS,
    borrowed,
    is_ahead,
    redacted,
    remote_head,
    talk,
)
from countersign.services.notifications.notifications import is_open, notify, resolve
from countersign.store.home import Home
from countersign.store.journal.journal import BRANCH, JournalEntry
from countersign.store.ledger.chunks import chunked
from countersign.store.ledger.facts import REMOTE_AHEAD, REMOTE_HEAD, keep_fact, read_fact

DIVERGED, NOT_PUSHED, MOVED_BACK = "journal diverged", "journal not pushed", "remote moved back"


class PushState(StrEnum):
    """State of a push after it ended."""

    PUSHED = "pushed"
    NOTHING = "nothing"
    NO_REMOTE = "no_remote"
    FAILED = "failed"
    DIVERGED = "diverged"
    AHEAD = "ahead"


@dataclass(frozen=True)
class PushOutcome:
    """Outcome of a push; `commits` were waiting, `detail` is git's own word for a failure."""

    state: PushState
    commits: int = 0
    detail: str = ""


def push_pending(home: Home, now: datetime, *, timeout_seconds: float = TIMEOUT_SECONDS) -> PushOutcome:
    """Read the remote's head, and push the commits that it lacks. Failure is an outcome; the operator is notified.

    Diverged: the remote has commits that are not ours. Nothing is forced; the operator has to look. Ahead: it has
    commits of ours that the journal lacks, and sealing stops until the journal has them too.
    """
    # Before the head is read: signals sealed in between are not taken for pushed.
    waiting = _unpushed(home)
    if not home.journal_remote:
        return PushOutcome(PushState.NO_REMOTE, len(waiting))
    head = home.journal.head()
    try:
        theirs = remote_head(home, timeout_seconds=timeout_seconds)
        if head is None and theirs is None:
            return PushOutcome(PushState.NOTHING)
        if theirs is not None and not home.journal.has(theirs):
            outcome = _inspect_strangers(home, head, theirs, timeout_seconds)
        elif head is not None and theirs == head.sha:
            outcome = PushOutcome(PushState.PUSHED if waiting else PushState.NOTHING)
        else:
            assert head is not None  # noqa: S101 - without one, no commit of the remote is ours
            waiting |= _take_back(home, head, theirs, now)
            outcome = _push(home.journal.path, home.journal_remote, head.sha, timeout_seconds)
    except StoreError as error:
        outcome = PushOutcome(PushState.FAILED if waiting else PushState.NOTHING, detail=str(error))
        theirs = None
    _write_down(home, outcome, head if outcome.state is PushState.PUSHED else None, waiting, now)
    if theirs and head and theirs == head.sha:
        _forget_what_was_told(home, theirs, now)
    return PushOutcome(outcome.state, len(waiting), outcome.detail)


def _write_down(
    home: Home, outcome: PushOutcome, pushed: JournalEntry | None, waiting: Collection[str], now: datetime
) -> None:
    with home.ledger.write() as db:
        if pushed is not None:
            _mark(db, waiting, now)
            keep_fact(db, REMOTE_HEAD, pushed.sha)
        for key, state in ((NOT_PUSHED, PushState.FAILED), (DIVERGED, PushState.DIVERGED)):
            if outcome.state is state:
                notify(db, key, key, f"{key}: {len(waiting)} commits wait ({outcome.detail})", now)
            elif outcome.state is PushState.PUSHED:
                resolve(db, key, now)


def _take_back(home: Home, head: JournalEntry, theirs: str | None, now: datetime) -> set[str]:
    """Mark commits that the remote had and lacks now as not pushed; notify the operator, and return them."""
    with home.ledger.read() as db:
        if read_fact(db, REMOTE_HEAD) == theirs:
            return set()
    lacking = home.journal.git("rev-list", head.sha, *([f"^{theirs}"] if theirs else [])).decode().split()
    with home.ledger.write() as db:
        count = _mark(db, lacking, None)
        if count:
            where = f"was moved back to {theirs}" if theirs else "was emptied"
            text = f"{MOVED_BACK}: the journal's remote {where}; it gets {count} commits again that it had"
            notify(db, MOVED_BACK, MOVED_BACK, text, now)
    return set(lacking)


def _inspect_strangers(home: Home, head: JournalEntry | None, theirs: str, timeout_seconds: float) -> PushOutcome:
    """Look at a remote whose newest commit the journal lacks: is it ours, and which of ours does it still have?"""
    with borrowed(home, timeout_seconds=timeout_seconds) as remote:
        ahead = is_ahead(remote, head.sha if head else None)
        there = set(remote.git("rev-list", BRANCH).decode().split())
    with home.ledger.write() as db:
        keep_fact(db, REMOTE_AHEAD, theirs if ahead else None)
        pushed = db.exec(select(JournalCommit.sha).where(col(JournalCommit.pushed_at).is_not(None)))
        _mark(db, set(pushed) - there, None)
    if ahead:
        return PushOutcome(PushState.AHEAD, detail=f"the remote is at {theirs}, a later commit of ours")
    return PushOutcome(PushState.DIVERGED, detail=f"the remote is at {theirs}, which is not one of our commits")


def _forget_what_was_told(home: Home, theirs: str, now: datetime) -> None:
    with home.ledger.read() as db:
        told = (NOT_PUSHED, DIVERGED, MOVED_BACK)
        settled = read_fact(db, REMOTE_HEAD) == theirs and read_fact(db, REMOTE_AHEAD) is None
        if settled and not is_open(db, *told):
            return
    with home.ledger.write() as db:
        keep_fact(db, REMOTE_HEAD, theirs)
        keep_fact(db, REMOTE_AHEAD, None)
        for key in told:
            resolve(db, key, now)


def _unpushed(home: Home) -> set[str]:
    with home.ledger.read() as db:
        return set(db.exec(select(JournalCommit.sha).where(col(JournalCommit.pushed_at).is_(None))))


def _mark(db: Session, shas: Collection[str], pushed_at: datetime | None) -> int:
    """Record the time since when the remote has these commits (None: it lacks them); return how many changed."""
    count = 0
    other = col(JournalCommit.pushed_at).is_(None) if pushed_at else col(JournalCommit.pushed_at).is_not(None)
    for chunk in chunked(sorted(shas)):
        ours = col(JournalCommit.sha).in_(chunk)
        count += (
            db.connection().execute(sa.update(JournalCommit).where(ours, other).values(pushed_at=pushed_at)).rowcount
        )
    return count


def is_push_failing(db: Session) -> bool:
    """Whether the last push failed or found the remote diverged, by the operator's notifications."""
    return is_open(db, NOT_PUSHED, DIVERGED)


def _push(repository: Path, remote: str, sha: str, timeout_seconds: float) -> PushOutcome:
    command = ["push", "--porcelain", REMOTE, f"{sha}:{BRANCH}"]
    code, said, complained = talk(repository, remote, command, timeout_seconds)
    if code == 0:
        return PushOutcome(PushState.PUSHED)
    refused = [line for line in said.splitlines() if line.startswith("!")]
    detail = redacted(" ".join([*refused, *complained.split()]), remote)[:300]
    diverged = any("[rejected]" in line for line in refused)
    return PushOutcome(PushState.DIVERGED if diverged else PushState.FAILED, detail=detail)
