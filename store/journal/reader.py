"""Reads a journal from a clone: commits with their signatures checked, changes, files, timestamp tokens."""

import os
import re
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from countersign.domain.attestation.journal import OWN, Change, Commit, JournalContents, Signature, Stamp
from countersign.domain.attestation.record_reader import read_seal
from countersign.domain.attestation.records import ALLOWED_SIGNERS, OWNER_NAMESPACE, SEALS, TIMESTAMPS
from countersign.models.errors import StoreError
from countersign.store.journal.git_reader import ReadObjects, open_repository
from countersign.store.journal.ssh_signatures import check_signature, commit_signature
from countersign.store.journal.timestamp_tokens import Authorities

COMMITTER = re.compile(rb"^committer .*> (-?[0-9]{1,12}) [+-][0-9]{4}$", re.MULTILINE)
PARENT = re.compile(rb"^parent ([0-9a-f]+)$", re.MULTILINE)
SPARSE = "info/sparse-checkout"


def read_journal(path: Path, authorities: Authorities) -> JournalContents:
    """Read all commits that HEAD reaches, and compare the working copy with them, if files are checked out.

    InputError if it is no git repository, StoreError for one whose commits are damaged or missing.
    """
    with open_repository(path) as repository:
        names = repository.history()
        changes = repository.changes(names)
        read = {*OWN, ALLOWED_SIGNERS}
        wanted = {change.blob for change in changes if change.path.split("/", 1)[0] in read}
        objects = repository.read(wanted)
        work = repository.work
    commits = [parse_commit(name, objects.commits.get(name)) for name in names]
    return JournalContents(
        commits=commits,
        changes=changes,
        blobs=objects.blobs,
        unreadable=_unreadable(objects),
        odd_trees=objects.odd_trees,
        strays=_compare(work, changes, objects.blobs) if work else {},
        stamps=_stamps(changes, objects, authorities),
        owner_signatures=_owner_signatures(changes, objects),
    )


def parse_commit(name: str, content: bytes | None) -> Commit:
    """Read a commit, and check its signature against the key in it; StoreError for one that git would not have made."""
    head = (content or b"").partition(b"\n\n")[0]
    committer = COMMITTER.search(head)
    if content is None or not committer:
        raise StoreError(f"commit {name} is damaged: its bytes are not those of its name, or none of git's")
    try:
        at = datetime.fromtimestamp(int(committer[1]), UTC)
    except (ValueError, OverflowError, OSError):
        raise StoreError(f"commit {name}: its time, {int(committer[1])} seconds, is none of this calendar") from None
    return Commit(name, tuple(parent.decode() for parent in PARENT.findall(head)), at, commit_signature(content))


def _unreadable(objects: ReadObjects) -> dict[str, str]:
    corrupt = dict.fromkeys(objects.corrupt, "its bytes are not those of its name")
    return corrupt | dict.fromkeys(objects.oversized, "larger than any record")


def _stamps(changes: Sequence[Change], objects: ReadObjects, authorities: Authorities) -> dict[str, Stamp]:
    """Check each token against the commit that its path names."""
    stamps = {}
    for change in changes:
        if change.path.startswith(f"{TIMESTAMPS}/") and change.blob in objects.blobs:
            name = change.path.rpartition("/")[2].split(".", 1)[0]
            stamps[change.path] = authorities.check(objects.blobs[change.blob], objects.commits.get(name))
    return stamps


def _owner_signatures(changes: Sequence[Change], objects: ReadObjects) -> dict[tuple[str, str], Signature]:
    """Check each seal's signature, if it has one; the records' reader reports a seal that cannot be read."""
    signatures = {}
    for change in changes:
        content = objects.blobs.get(change.blob, b"") if change.path.startswith(f"{SEALS}/") else b""
        if b'"owner_signature"' not in content:
            continue
        with suppress(ValueError):
            seal = read_seal(change.path, content)
            if seal.owner_signature is not None:
                armored, message = seal.owner_signature.encode(), seal.signal_hash.encode()
                signed = check_signature(armored, message, OWNER_NAMESPACE)
                signatures[seal.signal_hash, seal.owner_signature] = signed
    return signatures


def _compare(work: Path, changes: Sequence[Change], blobs: Mapping[str, bytes]) -> dict[str, str]:
    """Name the files of HEAD that differ in the working copy, as altered or removed.

    No file is named for a clone in which not every file was checked out.
    """
    git = work / ".git"
    if not (git / "index").is_file() or (git / SPARSE).exists():
        return {}
    newest = {change.path: change.blob for change in changes}
    strays = {}
    for path, blob in newest.items():
        content = blobs.get(blob)
        if content is None:
            continue
        found = _read_exactly(f"{work}/{path}", len(content))
        if found != content:
            strays[path] = "altered" if os.path.lexists(f"{work}/{path}") else "removed"
    return strays


def _read_exactly(path: str, size: int) -> bytes | None:
    """Read a regular file of that size, None for anything else; links are not followed and pipes not waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size != size:
            return None
        return os.read(handle, size) if size else b""
    finally:
        os.close(handle)
