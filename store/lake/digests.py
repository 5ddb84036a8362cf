"""Digests of the lake's files: a file whose bytes are not those that the ledger names is refused.

To hash a file takes about as long as to read it. So a file that was found whole is known by its identity (device,
inode, size, times of its content and of its entry): while that stays, it is not hashed again. Writing to a file changes
its identity; rot on the disk does not, and is found by hashing every file in turn (`check_turn`).
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa
from sqlmodel import Session, col, select

from countersign.models.datasets import NAV
from countersign.models.errors import StoreError
from countersign.models.tables.lake import LakeFile
from countersign.store.clock import wall_clock
from countersign.store.files import storage_errors
from countersign.store.ledger.ledger import Ledger

# In place of an identity: hashed, and not what the ledger names. No process trusts what it knew of such a file before.
ALTERED = "altered"
REPAIR = "`countersign run watchdog` makes it again, or says what to do"
# Files that this process has found whole: the identity, by path and digest.
_found_whole: dict[tuple[str, str], str] = {}


class Digested(Protocol):
    """A file of the lake with size and digest, and its identity when found whole ("" for never, or ALTERED)."""

    @property
    def path(self) -> str:
        """Its path, relative to the lake's root."""

    @property
    def size_bytes(self) -> int:
        """Its size."""

    @property
    def sha256(self) -> str:
        """The SHA-256 of its bytes, in hexadecimal digits."""

    @property
    def checked_as(self) -> str:
        """Its identity when it was last found whole."""


class KnownFile(NamedTuple):
    """File of the lake as its row in the ledger describes its bytes."""

    id: int
    path: str
    size_bytes: int
    sha256: str
    checked_as: str


@dataclass(frozen=True)
class Turn:
    """Result of one turn: files and bytes that were hashed, and the files that differ from the ledger's digests."""

    files: int
    size_bytes: int
    altered: tuple[str, ...]


def identity(status: os.stat_result) -> str:
    """Return a file's identity; writing to the file, or putting another in its place, changes it."""
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


def remember_whole(path: Path, sha256: str) -> str:
    """Remember that a file was just written, or read, with these bytes; return its identity."""
    with storage_errors(path):
        found = identity(path.stat())
    _found_whole[str(path), sha256] = found
    return found


def is_known(path: str, checked_as: str) -> bool:
    """Whether a file is still what it was when it was found whole; False settles nothing.

    A publication asks this of every file that it shows: text, as paths as objects would cost more than the system call.
    """
    try:
        return identity(os.stat(path)) == checked_as
    except OSError:
        return False


def fault_of(root: Path, file: Digested) -> str:
    """Return the fault of a file: "missing", "cut" or "altered"; "" for one that is whole."""
    path = root / file.path
    if is_known(str(path), file.checked_as):
        return ""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    if status.st_size != file.size_bytes:
        return "cut" if status.st_size < file.size_bytes else "altered"
    now = identity(status)
    if file.checked_as != ALTERED and now == _found_whole.get((str(path), file.sha256)):
        return ""
    if sha256_of(path) != file.sha256:
        return "altered"
    _found_whole[str(path), file.sha256] = now
    return ""


def require_whole(root: Path, files: Iterable[Digested]) -> list[Path]:
    """Return the files' paths. StoreError, with the repair, for one that is missing, cut or altered."""
    paths = []
    for file in files:
        path = root / file.path
        with storage_errors(path):
            fault = fault_of(root, file)
        if fault:
            raise StoreError(f"{path} is {fault} since it was committed; {REPAIR}")
        paths.append(path)
    return paths


def note_whole(ledger: Ledger, root: Path, files: Iterable[LakeFile | KnownFile]) -> None:
    """Record in the ledger the files that this process has found whole, so that no other hashes them again."""
    now = wall_clock()
    rows = [
        {"row": file.id, "identity": found, "at": now}
        for file in files
        if (found := _found_whole.get((str(root / file.path), file.sha256))) and found != file.checked_as
    ]
    if rows:
        with ledger.write() as db:
            _note(db, rows)


def check_turn(ledger: Ledger, root: Path, goes_on: Callable[[], bool], most: int) -> Turn:
    """Hash the files whose turn it is, known as whole or not, while `goes_on` says so, and at most `most` of them.

    Files that never were hashed come first, then those hashed longest ago. One that is not whole is marked, so that
    every process hashes it before it reads it, and refuses it.
    """
    with ledger.read() as db:
        query = select(LakeFile).where(still_shown())
        order = (col(LakeFile.checked_at).is_not(None), col(LakeFile.checked_at), col(LakeFile.id))
        files = list(db.exec(query.order_by(*order).limit(most)))
    now, rows, altered, size = wall_clock(), list[dict[str, Any]](), list[str](), 0
    for file in files:
        if not goes_on():
            break
        found = _hash_anew(root, file)
        size += file.size_bytes
        rows.append({"row": file.id, "identity": found, "at": now})
        altered += [file.path] if found == ALTERED else []
    if rows:
        with ledger.write() as db:
            _note(db, rows)
            # A path may have counted before, under another row: nobody trusts that one either.
            db.execute(sa.update(LakeFile).where(col(LakeFile.path).in_(altered)).values(checked_as=ALTERED))
    return Turn(len(rows), size, tuple(altered))


def still_shown() -> sa.ColumnElement[bool]:
    """Write the condition for files that anybody is shown: a corrected session's first NAV is, too."""
    return sa.or_(col(LakeFile.superseded_at).is_(None), col(LakeFile.dataset) == NAV.name)


def note_all(ledger: Ledger, root: Path) -> None:
    """Record in the ledger all files that this process has found whole."""
    with ledger.read() as db:
        files = list(db.exec(select(LakeFile)))
    note_whole(ledger, root, files)


def checked_through(db: Session) -> datetime | None:
    """Return the time since when every file that counts was hashed; None if one never was, or there is none."""
    oldest, never = db.execute(
        sa.select(sa.func.min(LakeFile.checked_at), sa.func.count() - sa.func.count(col(LakeFile.checked_at))).where(
            col(LakeFile.superseded_at).is_(None)
        )
    ).one()
    return None if never else oldest


def _hash_anew(root: Path, file: LakeFile) -> str:
    """Return the identity of a file that is whole, ALTERED for one that is not."""
    path = root / file.path
    _found_whole.pop((str(path), file.sha256), None)
    try:
        found = identity(path.stat())
        if sha256_of(path) != file.sha256:
            return ALTERED
    except OSError:
        return ALTERED
    _found_whole[str(path), file.sha256] = found
    return found


def _note(db: Session, rows: Sequence[dict[str, Any]]) -> None:
    update = sa.update(LakeFile.__table__).where(LakeFile.__table__.c.id == sa.bindparam("row"))  # type: ignore[attr-defined]
    update = update.values(checked_as=sa.bindparam("identity"), checked_at=sa.bindparam("at"))
    db.connection().execute(update, rows)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
