"""Journal as read from git: its commits, its files, and faults in how they follow each other. Pure.

Files of the journal's folders are written once: a commit that changes or removes one is a fault, and the first content
counts from then on. `README.md` and all else beside those folders may change freely.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from countersign.domain.attestation.records import CLOCK, FOLDERS, RETIREMENTS, REVEALS, SEALS, STRATEGIES

REGULAR_FILE = "100644"
# Folders whose files are written once.
OWN = frozenset({*FOLDERS, CLOCK})
NAMED = frozenset({SEALS, REVEALS, STRATEGIES, RETIREMENTS})


class FaultKind(StrEnum):
    """Kinds of faults of a journal. Values are contracts: they appear in the output of `verify`."""

    CORRUPT = "corrupt"
    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad_signature"
    FUTURE_DATED_KEY = "future_dated_key"
    FORKED = "forked"
    DATE_FORGED = "date_forged"
    CLOCK_MIXED = "clock_mixed"
    COMMIT_DROPPED = "commit_dropped"
    ALTERED = "altered"
    REMOVED = "removed"
    MALFORMED = "malformed"
    NOT_BY_OWNER = "not_by_owner"
    CHAIN_BROKEN = "chain_broken"
    TERMS_MISMATCH = "terms_mismatch"
    LATE = "late"
    MISSING_SEAL = "missing_seal"
    MISSING_REVEAL = "missing_reveal"
    HASH_MISMATCH = "hash_mismatch"
    LEFT_OUT = "left_out"
    FALSE_CORRECTION = "false_correction"
    RETIREMENT_MISMATCH = "retirement_mismatch"
    BAD_TIMESTAMP = "bad_timestamp"
    BARS_MISMATCH = "bars_mismatch"
    ACTIONS_MISMATCH = "actions_mismatch"
    RULES_MISMATCH = "rules_mismatch"
    NAV_MISMATCH = "nav_mismatch"
    BAD_RECEIPT = "bad_receipt"
    RECEIPT_LEFT_OUT = "receipt_left_out"
    WITHOUT_RECEIPT = "without_receipt"


class DoubtKind(StrEnum):
    """Doubts that settling again raises. Values are contracts: they are in the output of `verify`."""

    UNBORNE_ACTION = "unborne_action"
    OTHER_LISTING = "other_listing"
    OTHER_DELISTING = "other_delisting"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and its place: the fields that do not apply are empty."""

    kind: FaultKind
    detail: str
    commit: str = ""
    path: str = ""
    strategy: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """A commit's signature: the public key inside it (SSH wire format), and whether it is valid under that key."""

    key: bytes
    valid: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit; `committed_at` is the committer's time, whole seconds in UTC."""

    name: str
    parents: tuple[str, ...]
    committed_at: datetime
    signature: Signature | None


@dataclass(frozen=True, slots=True)
class Change:
    """A file that a commit adds, changes or removes (`blob` empty)."""

    commit: str
    path: str
    mode: str
    blob: str


@dataclass(frozen=True, slots=True)
class Stamp:
    """A timestamp token: the authority's time, and whether it was checked against a trusted certificate.

    `fault` says why it is bad, "" for a good one or one that could not be checked.
    """

    stamped_at: datetime | None
    checked: bool
    fault: str = ""


@dataclass(frozen=True)
class JournalContents:
    """Commits oldest first, their changes in the same order, contents by blob, tokens by path.

    `owner_signatures` are those of seals, by the hash that each signs and its text.
    `unreadable` gives the reason for which an object has no content here, `odd_trees` the fault of a folder that git
    would not write, `strays` the difference of a file of the working copy from HEAD's.
    """

    commits: Sequence[Commit]
    changes: Sequence[Change]
    blobs: Mapping[str, bytes]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    odd_trees: Mapping[str, str] = field(default_factory=dict)
    strays: Mapping[str, str] = field(default_factory=dict)
    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    owner_signatures: Mapping[tuple[str, str], Signature] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class File:
    """A file of the journal as it first was, and the commit that brought it, by its place among the commits."""

    path: str
    content: bytes
    commit: int


def first_files(journal: JournalContents) -> tuple[dict[str, File], list[Fault]]:
    """Return the files of the journal's folders as they first were, and a fault for each one that did not stay so."""
    place = {commit.name: n for n, commit in enumerate(journal.commits)}
    files: dict[str, File] = {}
    first: dict[str, str] = {}
    faults = _check_objects(journal)
    for change in journal.changes:
        path, name = change.path, change.commit
        if path.split("/", 1)[0] not in OWN:
            continue
        where = (name, path, slug_of(path))
        if not change.blob:
            faults.append(Fault(FaultKind.REMOVED, "removed by this commit", *where))
        elif path in first:
            if first[path] != change.blob:
                faults.append(Fault(FaultKind.ALTERED, "changed by this commit", *where))
            elif change.mode != REGULAR_FILE:
                detail = f"made no ordinary file by this commit (mode {change.mode})"
                faults.append(Fault(FaultKind.ALTERED, detail, *where))
        elif change.mode != REGULAR_FILE:
            faults.append(Fault(FaultKind.MALFORMED, f"not an ordinary file (mode {change.mode})", *where))
        else:
            first[path] = change.blob
            content = journal.blobs.get(change.blob)
            if content is None:
                why = journal.unreadable.get(change.blob, "its content is missing")
                faults.append(Fault(FaultKind.CORRUPT, why, *where))
            else:
                files[path] = File(path, content, place[name])
    return files, faults


def _check_objects(journal: JournalContents) -> list[Fault]:
    """Name damaged objects that are no file's content, and files of the working copy that are not those of HEAD."""
    contents = {change.blob for change in journal.changes}
    faults = [
        Fault(FaultKind.CORRUPT, f"object {name}: {why}")
        for name, why in journal.unreadable.items()
        if name not in contents
    ]
    faults += [Fault(FaultKind.MALFORMED, f"folder {name}: {odd}") for name, odd in journal.odd_trees.items()]
    for path, how in journal.strays.items():
        detail = f"{how} in the working copy; what is committed is checked here"
        faults.append(Fault(FaultKind(how), detail, "", path, slug_of(path)))
    return faults


def slug_of(path: str) -> str:
    """Return the strategy in a path, "" for none."""
    folder, _, rest = path.partition("/")
    return rest.rpartition("/")[2].split(".", 1)[0] if folder in NAMED else ""
