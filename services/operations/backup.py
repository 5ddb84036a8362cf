"""Back-ups: one folder to restore a home from, taken while everything runs, and checked without the home.

    manifest.json           every file with its size and SHA-256, and the home's clock
    ledger.db               the ledger in one state, as an SQLite file, from any database
    journal.bundle          the journal up to the commit that this state of the ledger knows
    lake/                   the files that this state of the ledger names
    home/                   settings, clock, calendar, keys

The ledger is copied first, and its rows name all other files: files added meanwhile are not in the back-up, and nothing
in it refers to them. It holds secrets (keys, settings, accounts): it is for its owner alone.
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from sqlmodel import select

from countersign.domain.strict_json import read_json
from countersign.models.errors import InputError, StoreError
from countersign.models.tables.lake import LakeFile
from countersign.store.clock import CLOCK_FILE
from countersign.store.files import storage_errors, sync_folder
from countersign.store.home import Home
from countersign.store.journal.git_commands import run_git
from countersign.store.journal.journal import BRANCH
from countersign.store.ledger.copies import copy_out, open_copy
from countersign.store.ledger.facts import JOURNAL_HEAD, read_fact
from countersign.store.sessions import OVERRIDES

SCHEMA = "countersign/backup/v1"
MANIFEST, LEDGER, BUNDLE, LAKE, HOME = "manifest.json", "ledger.db", "journal.bundle", "lake", "home"
KEYS = "keys"
SINGLE_FILES = ("countersign.toml", OVERRIDES, CLOCK_FILE)
CHUNK = 1024**2


@dataclass(frozen=True)
class Manifest:
    """Manifest of a back-up: each file's size and SHA-256. `absent` are files of the lake that were lost before."""

    made_at: str
    clock: str
    journal_head: str | None
    files: dict[str, tuple[int, str]]
    absent: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Return the size of all files together."""
        return sum(size for size, _ in self.files.values())


def back_up(home: Home, target: Path, now: datetime) -> Manifest:
    """Make a back-up at `target`, a folder that is not there or a back-up, which is replaced; return its manifest.

    It is written beside the folder and put in its place once it is whole. Files of the lake that the back-up before has
    already are taken from it. InputError for a folder with anything else in it.
    """
    before = _before(target)
    staged = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.mkdir(mode=0o700)
        try:
            manifest = _fill(home, staged, target, before, now)
            _put(staged / MANIFEST, orjson.dumps({"schema": SCHEMA} | asdict(manifest), option=orjson.OPT_INDENT_2))
            for folder in (staged, *(path for path in staged.rglob("*") if path.is_dir())):
                folder.chmod(0o700)
                sync_folder(folder)
            _put_in_place(staged, target)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    return manifest


def check_backup(source: Path) -> Manifest:
    """Read a back-up's manifest and compare every file with it; StoreError naming the first one that differs.

    InputError for a folder that is no back-up.
    """
    manifest = _read_manifest(source)
    for name, (size, sha256) in manifest.files.items():
        try:
            found = _measure(source / name)
        except OSError as error:
            raise StoreError(f"{source / name}: {error.strerror or error}; the back-up is not whole") from error
        if found != (size, sha256):
            raise StoreError(f"{source / name}: expected {size} bytes with SHA-256 {sha256}; the back-up is damaged")
    return manifest


def _before(target: Path) -> dict[str, tuple[int, str]]:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return {}
    try:
        return _read_manifest(target).files
    except InputError:
        raise InputError("DEST", "a folder that is not there yet, or a back-up of before", target) from None


def _read_manifest(source: Path) -> Manifest:
    try:
        fields = read_json((source / MANIFEST).read_bytes())
        files = {str(_inside(name)): (int(size), str(sha)) for name, (size, sha) in fields["files"].items()}
        if fields["schema"] != SCHEMA:
            raise ValueError("another schema")
        head = fields["journal_head"]
        return Manifest(fields["made_at"], fields["clock"], head, files, tuple(fields["absent"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError("SRC", "a folder made by `countersign backup`", f"{source} ({error})") from None


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{name} leads out of it")
    return path


def _fill(home: Home, staged: Path, target: Path, before: dict[str, tuple[int, str]], now: datetime) -> Manifest:
    copy_out(home.ledger, staged / LEDGER)
    with open_copy(staged / LEDGER) as ledger, ledger.read() as db:
        head = read_fact(db, JOURNAL_HEAD)
        rows = {row.path: (row.size_bytes, row.sha256) for row in db.exec(select(LakeFile))}
    (staged / LEDGER).chmod(0o600)
    files, absent = {LEDGER: _measure(staged / LEDGER)}, list[str]()
    bundled = _bundle(home, head, staged)
    if bundled:
        files[BUNDLE] = _measure(staged / BUNDLE)
    for path, expected in sorted(rows.items()):
        name = f"{LAKE}/{path}"
        # Files of the earlier back-up are not read again: its manifest has their digests, and `--check` reads them.
        known = before.get(name) == expected and _link(target / name, staged / name)
        if known or _copy(home.lake_path / path, staged / name) == expected:
            files[name] = expected
        else:
            (staged / name).unlink(missing_ok=True)
            absent.append(path)
    for place in _own_files(home):
        name = f"{HOME}/{place.relative_to(home.path).as_posix()}"
        measured = _copy(place, staged / name)
        if measured:
            files[name] = measured
    return Manifest(now.isoformat(), home.clock.kind, bundled, files, tuple(absent))


def _own_files(home: Home) -> Iterator[Path]:
    yield from (path for name in SINGLE_FILES if (path := home.path / name).is_file())
    yield from sorted(path for path in (home.path / KEYS).iterdir() if path.is_file() and path.suffix != ".tmp")


def _bundle(home: Home, head: str | None, staged: Path) -> str | None:
    """Pack the journal up to the commit that the ledger knows, else all of it; return the commit, None for none."""
    head = head if head and home.journal.has(head) else home.journal.tip()
    if head is None:
        return None
    with TemporaryDirectory(prefix="countersign-") as folder:
        place = Path(folder)
        run_git(place, ["init", "-q", "--bare", "--template=", f"--initial-branch={Path(BRANCH).name}"])
        info = place / "objects" / "info"
        info.mkdir(exist_ok=True)
        (info / "alternates").write_text(f"{(home.journal.path / 'objects').resolve()}\n")
        run_git(place, ["update-ref", BRANCH, head])
        run_git(place, ["bundle", "create", "-q", str((staged / BUNDLE).resolve()), BRANCH])
    (staged / BUNDLE).chmod(0o600)
    return head


def _link(source: Path, target: Path) -> bool:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        return False
    return True


def _copy(source: Path, target: Path) -> tuple[int, str] | None:
    """Copy a file for its owner alone; return its size and SHA-256, None if there is none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = source.open("rb")
    except FileNotFoundError:
        return None
    digest, size = hashlib.sha256(), 0
    with file, os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
        while part := file.read(CHUNK):
            digest.update(part)
            size += copy.write(part)
        copy.flush()
        os.fsync(copy.fileno())
    return size, digest.hexdigest()


def copy_files(source: Path, names: Iterable[str], target: Path) -> None:
    """Copy files of a back-up, by their names below `source`, to the same names below `target`."""
    for name in names:
        _copy(source / name, target / name)


def _measure(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _put(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _put_in_place(staged: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.{secrets.token_hex(4)}.old")
    if target.exists():
        target.rename(old)
    staged.rename(target)
    sync_folder(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def describe(manifest: Manifest) -> dict[str, Any]:
    """Return the back-up's figures for the operator."""
    shown = {"made_at": manifest.made_at, "files": len(manifest.files), "size_bytes": manifest.size_bytes}
    return shown | {"journal_head": manifest.journal_head, "absent": list(manifest.absent)}
