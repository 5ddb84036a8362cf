"""Comparison of journal and ledger: commits new to the ledger, commits lost from the journal, and foreign commits.

The ledger remembers the newest commit, as the sealer left it: while the journal's branch is there, nothing is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, select

from countersign.domain.attestation.journal import REGULAR_FILE
from countersign.domain.attestation.records import ALLOWED_SIGNERS, README
from countersign.domain.attestation.signers import judge_signature, read_signers
from countersign.models.errors import StoreError
from countersign.models.tables.attestation import JournalCommit
from countersign.store.home import Home
from countersign.store.journal.git_commands import read_batch
from countersign.store.journal.journal import BRANCH, Journal
from countersign.store.journal.reader import parse_commit
from countersign.store.ledger.facts import JOURNAL_HEAD, read_fact

RESET, ACCEPT, FETCH = (f"`countersign admin journal {word}`" for word in ("reset", "accept", "fetch"))


@dataclass(frozen=True)
class Addition:
    """A file that a commit of the journal brought."""

    commit: str
    path: str
    blob: str


@dataclass(frozen=True)
class NewCommit:
    """A commit of ours that the ledger does not know, with the files that it added."""

    sha: str
    committed_at: datetime
    additions: tuple[Addition, ...]


@dataclass(frozen=True)
class Comparison:
    """Comparison of journal and ledger: new commits (oldest first), lost commits, and the first foreign one.

    `tip` is the journal's newest commit, `left` the one that the ledger remembers; `kept`: the journal's repository
    still holds `left`, though its branch is elsewhere. `foreign` names the fault of the first commit that is not ours,
    "" for none; `safe` is the last one before it.
    """

    tip: str | None
    left: str | None
    new: tuple[NewCommit, ...] = ()
    lost: frozenset[str] = frozenset()
    foreign: str = ""
    kept: bool = False
    safe: str | None = None

    @property
    def fault(self) -> str:
        """Name the fault that stops sealing, and the command that resolves it; "" for none."""
        if self.foreign:
            return f"journal: {self.foreign}, and is never built upon; {RESET} puts the branch back and keeps it aside"
        if self.lost and self.kept:
            return f"journal: its branch was moved back from {self.left}; {RESET} puts it there again"
        if self.lost:
            return (
                f"journal: it lacks {len(self.lost)} commits that the ledger knows; put a newer clone in its place"
                f" ({FETCH} asks its remote), or, if there is none, {ACCEPT} has them sealed again, late"
            )
        return ""


def compare(home: Home, db: Session) -> Comparison:
    """Compare the journal with the ledger; costs nothing while the branch is where the ledger left it."""
    journal, left = home.journal, read_fact(db, JOURNAL_HEAD)
    tip = journal.tip()
    if tip == left:
        return Comparison(tip, left)
    if left is None or tip is None or not journal.has(left):
        known = set(db.exec(select(JournalCommit.sha)))
        line = _line(journal, BRANCH) if tip else []
        lost = frozenset(known.difference(line))
        first = next((n for n, sha in enumerate(line) if sha not in known), len(line))
        before, fresh = (line[first - 1] if first else None), line[first:]
    else:
        lost, before, fresh = frozenset(), left, _line(journal, f"{left}..{BRANCH}")
    new, foreign = _judge(journal, before, fresh)
    kept = bool(left) and bool(lost) and holds(journal, str(left))
    return Comparison(tip, left, new, lost, foreign, kept, new[-1].sha if new else before)


def holds(journal: Journal, sha: str) -> bool:
    """Whether the journal's repository has a commit, on its branch or not."""
    try:
        journal.git("cat-file", "-e", f"{sha}^{{commit}}")
    except StoreError:
        return False
    return True


def _line(journal: Journal, revisions: str) -> list[str]:
    return journal.git("rev-list", "--reverse", "--topo-order", revisions).decode().split()


def judge_line(journal: Journal, before: str | None) -> tuple[tuple[NewCommit, ...], str]:
    """Judge every commit after `before`, None for the whole branch: those that are ours, and the next one's fault."""
    return _judge(journal, before, _line(journal, f"{before}..{BRANCH}" if before else BRANCH))


def _judge(journal: Journal, before: str | None, fresh: Sequence[str]) -> tuple[tuple[NewCommit, ...], str]:
    """Return the leading commits that are ours, one line from `before` on, and the next one's fault, "" for none."""
    new = list[NewCommit]()
    if not fresh:
        return (), ""
    asked = [name for sha in fresh for name in (sha, f"{sha}:{ALLOWED_SIGNERS}")]
    asked += [f"{before}:{ALLOWED_SIGNERS}"] if before else []
    contents = [content for _, content in read_batch(journal.git("cat-file", "--batch", given=_lines(asked)))]
    signers = read_signers(contents.pop() if before else contents[1])
    brought = _additions(journal, before)
    for n, sha in enumerate(fresh):
        commit = parse_commit(sha, contents[2 * n])
        wrong = judge_signature(commit, signers)
        if wrong is not None:
            return tuple(new), f"commit {sha} is not ours ({wrong.detail})"
        if commit.parents != ((before,) if before else ()):
            return tuple(new), f"commit {sha} does not follow on {before}"
        additions = brought.get(sha, ())
        if additions is None:
            return tuple(new), f"commit {sha} changes what is written once"
        new.append(NewCommit(sha, commit.committed_at, additions))
        signers, before = read_signers(contents[2 * n + 1]), sha
    return tuple(new), ""


def _additions(journal: Journal, before: str | None) -> dict[str, tuple[Addition, ...] | None]:
    """List the files that each commit after `before` added; None for one that did more than adding plain files."""
    log = ["log", "--reverse", "--no-renames", "--raw", "--no-abbrev", "-m", "--root", "--format=%x01%H", "-z"]
    output = journal.git(*log, f"{before}..{BRANCH}" if before else BRANCH).decode("utf-8", "replace")
    found: dict[str, tuple[Addition, ...] | None] = {}
    for part in output.split("\x01")[1:]:
        sha, *tokens = part.strip("\0\n").split("\0")
        added, sound = list[Addition](), True
        for facts, path in zip(tokens[::2], tokens[1::2], strict=False):
            _, mode, _, blob, status = facts.strip("\n").split(" ")
            if status == "A" and mode == REGULAR_FILE:
                added.append(Addition(sha, path, blob))
            else:
                sound &= path in {ALLOWED_SIGNERS, README} and status == "M" and mode == REGULAR_FILE
        found[sha] = tuple(added) if sound else None
    return found


def _lines(names: Sequence[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()
