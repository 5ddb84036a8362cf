"""The journal: a bare git repository to which files are added, once and for ever, in signed commits.

A commit is one pack and one compare-and-swap of the branch: no index, no work tree, and a crash at any point leaves the
commit there whole or not at all. `store/journal/lock.py` holds the lock and removes left-overs of dead writers;
`services/attestation/sealing.py` decides the records to seal.
"""

import secrets
import shutil
from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from countersign.domain.attestation.records import ALLOWED_SIGNERS, AUTHOR, CLOCK, README, clock_record
from countersign.domain.attestation.signers import read_signers, signs_since
from countersign.domain.attestation.timeliness import commit_second
from countersign.models.errors import ConflictError, StoreError
from countersign.store.files import storage_errors, sync_folder, write_atomically
from countersign.store.journal.clock import require_clock
from countersign.store.journal.git_commands import TIMEOUT_SECONDS, environment, read_batch, run_git, stream_git
from countersign.store.journal.git_folders import Folders
from countersign.store.journal.git_objects import BLOB, COMMIT, FILE, Entry, object_id, signed_commit
from countersign.store.journal.git_packs import NewObjects
from countersign.store.journal.lock import break_stale_locks, hold_lock
from countersign.store.journal.signing import KEY_FILE, SigningKey, create_key, load_key

BRANCH = "refs/heads/main"
NO_COMMIT = "0" * 40
MANY_PACKS = 40
CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tfsync = all
[gc]
\tauto = 0
[receive]
\tdenyNonFastForwards = true
\tdenyDeletes = true
"""
README_TEXT = """\
# Attestation journal

Signals as they were sealed before their prices were known, and what became of them. Files are only ever added.

Every commit is signed; this checks all of them:

    git show HEAD:allowed_signers > /tmp/allowed_signers
    git -c gpg.ssh.allowedSignersFile=/tmp/allowed_signers log --show-signature

`countersign verify JOURNAL` checks everything else: hashes, chains, deadlines, timestamp tokens, reveals, and, given
bars, every settlement.
"""


@dataclass(frozen=True)
class JournalEntry:
    """A commit of the journal; `committed_at` is its committer time."""

    sha: str
    committed_at: datetime


@dataclass(frozen=True)
class Added:
    """Files as added: the new commit (None: no file was new), and the paths that were there, byte for byte."""

    commit: JournalEntry | None
    known: frozenset[str]


class PathConflict(ConflictError):  # noqa: N818 - a state of the journal
    """Files are there already with other bytes; nothing was added. `paths` names all of them."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = tuple(paths)
        more = f" (and {len(self.paths) - 1} more)" if len(self.paths) > 1 else ""
        super().__init__(
            f"journal: {self.paths[0]}{more} is there already, with other bytes; nothing is ever overwritten"
        )


@dataclass(frozen=True)
class Journal:
    """The journal at `path`, signed with the key in the folder `keys`."""

    path: Path
    keys: Path

    @property
    def exists(self) -> bool:
        """Whether the repository was created."""
        return (self.path / "HEAD").is_file()

    def create(self) -> None:
        """Create the repository, and the key while nothing is signed yet. Safe to repeat; existing ones are kept."""
        if not self.exists:
            temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.tmp")
            with storage_errors(self.path):
                temporary.mkdir(parents=True)
                try:
                    run_git(temporary, ["init", "-q", "--bare", "--template=", f"--initial-branch={Path(BRANCH).name}"])
                    write_atomically(temporary / "config", CONFIG.encode())
                    temporary.rename(self.path)
                    sync_folder(self.path.parent)
                finally:
                    shutil.rmtree(temporary, ignore_errors=True)
        # A new key in place of a lost one would not be the journal's: that is for the operator to decide.
        if not (self.keys / KEY_FILE).exists() and self.head() is None:
            create_key(self.keys)

    def head(self) -> JournalEntry | None:
        """Return the newest commit, None before the first."""
        line = self.git("for-each-ref", "--format=%(objectname) %(committerdate:unix)", BRANCH).decode().split()
        return _commit(line[0], line[1]) if line else None

    def tip(self) -> str | None:
        """Return the name of the newest commit, as cheaply as can be: most often it is in a file of its own."""
        try:
            found = (self.path / BRANCH).read_text().strip()
        except OSError:
            found = ""
        head = None if found else self.head()
        return found or (head.sha if head else None)

    def has(self, sha: str, by: str = BRANCH) -> bool:
        """Whether a commit is part of the journal, or was when `by` was its newest."""
        try:
            self.git("merge-base", "--is-ancestor", sha, by)
        except StoreError:
            return False
        return True

    def git(self, *arguments: str, given: bytes = b"", keep: Collection[int] = ()) -> bytes:
        """Run git on the repository; return its output. StoreError with git's own words if it fails."""
        return run_git(self.path, arguments, given, keep)

    def first_commits(self, paths: Iterable[str]) -> dict[str, JournalEntry]:
        """Find the commit that added each of the files, looking back from the newest; a missing file is left out."""
        wanted, found = set(paths), dict[str, JournalEntry]()
        if not wanted or self.head() is None:
            return found
        log = ["log", "--no-renames", "--diff-filter=A", "--name-only", "--format=%x00%H %ct", BRANCH, "--"]
        with stream_git(self.path, log, environment(self.path), TIMEOUT_SECONDS) as lines:
            for line in lines:
                name = line.decode().rstrip("\n")
                if name.startswith("\0"):
                    commit = _commit(*name[1:].split())
                elif name in wanted:
                    wanted.discard(name)
                    found[name] = commit
                    if not wanted:
                        break
        return found

    @contextmanager
    def writing(self, *, simulated: bool = False) -> Generator["Writer"]:
        """Hold the repository's lock and give the writer. LeaseError if a live process has it.

        `simulated` is the clock of the records to add, ConflictError if the journal has the other one. On the system's
        no commit claims to be earlier than the one before it, even if the clock steps back.
        """
        if not self.exists:
            raise StoreError(f"{self.path}: there is no journal; `countersign init` makes one")
        with hold_lock(self.path) as lock:
            break_stale_locks(self.path)
            yield Writer(self, load_key(self.keys), lock, simulated=simulated)


class Writer:
    """Writer of the journal, which adds commits while it holds the lock."""

    def __init__(self, journal: Journal, key: SigningKey, lock: int, *, simulated: bool) -> None:
        self.journal, self.key, self.lock, self.simulated = journal, key, lock, simulated
        self._folders = Folders(self._read)
        self._head = journal.head()
        self._since = self._require_own_key(self._head) if self._head else None
        if self._head:
            require_clock(journal, self._head.sha, simulated=simulated)

    def stand_on(self, tip: str | None) -> None:
        """Build upon this commit from now on, the branch's newest. StoreError if the branch has been moved since."""
        if (self._head.sha if self._head else None) == tip:
            return
        self._folders.forget()
        self._head = self.journal.head()
        if (self._head.sha if self._head else None) != tip:
            raise StoreError(f"journal: expected commit {tip} at the top; somebody has moved {BRANCH}")
        self._since = self._require_own_key(self._head) if self._head else None

    def add(self, files: Mapping[str, bytes], message: str, now: datetime) -> Added:
        """Add the files that are not there yet, in one commit.

        PathConflict, and nothing is added, if any of them is there with other bytes. StoreError if the branch has been
        moved by somebody else meanwhile, or the disk is full; call again then.
        """
        try:
            return self._add(files, message, now)
        except BaseException:
            self._folders.forget()
            raise

    def _add(self, files: Mapping[str, bytes], message: str, now: datetime) -> Added:
        placed = _by_folder(files)
        self._folders.load(self._head.sha if self._head else None, placed)
        objects, changed, known, other = NewObjects(), set[str](), set[str](), list[str]()
        for folder, paths in placed.items():
            tree = self._folders[folder]
            for path in paths:
                name, content = path.rpartition("/")[2].encode(), files[path]
                there = tree.get(name)
                if there is None:
                    tree[name] = Entry(FILE, objects.add(BLOB, content))
                    changed.add(folder)
                elif there.oid != object_id(BLOB, content):
                    other.append(path)
                else:
                    known.add(path)
        if other:
            raise PathConflict(other)
        if not changed:
            return Added(None, frozenset(known))
        if self._head is None:
            first = {
                README: README_TEXT.encode(),
                ALLOWED_SIGNERS: f"{self.key.allowed_signer}\n".encode(),
                CLOCK: clock_record(simulated=self.simulated),
            }
            for own, content in first.items():
                self._folders[""][own.encode()] = Entry(FILE, objects.add(BLOB, content))
        commit = self._commit(objects, self._folders.write(objects, changed), message, now)
        return Added(commit, frozenset(known))

    def read(self, path: str) -> bytes | None:
        """Return a file of the newest commit, None if it is not there."""
        if self._head is None:
            return None
        ((kind, content),) = self._read([f"{self._head.sha}:{path}"])
        return content if kind == BLOB else None

    def compact(self) -> bool:
        """Merge packs once there are many, so that their number stays small however many commits; say if it did."""
        if len(list((self.journal.path / "objects" / "pack").glob("*.pack"))) < MANY_PACKS:
            return False
        # Without a search for deltas: it takes ten times as long, and hashes have none.
        self._git("repack", "-d", "-q", "--geometric=2", "--window=0")
        return True

    def _commit(self, objects: NewObjects, tree: bytes, message: str, now: datetime) -> JournalEntry:
        before = self._head
        second = commit_second(now, not_before=self._since if self.simulated or not before else before.committed_at)
        parent = before.sha if before else None
        sha = objects.add(COMMIT, signed_commit(tree, parent, AUTHOR, second, message, self.key.sign)).hex()
        objects.write(self.journal.path)
        try:
            self._git("update-ref", BRANCH, sha, parent or NO_COMMIT)
        except StoreError:
            break_stale_locks(self.journal.path)
            self._head = self.journal.head()
            raise
        self._head = JournalEntry(sha, second)
        return self._head

    def _read(self, names: Collection[str]) -> Generator[tuple[str, bytes]]:
        """Read objects by their names: kind and content of each."""
        return read_batch(self._git("cat-file", "--batch", given="".join(f"{name}\n" for name in names).encode()))

    def _require_own_key(self, head: JournalEntry) -> datetime:
        """Return the time from which our key may sign: no commit claims to be earlier than its key."""
        ((_, signers),) = self._read([f"{head.sha}:{ALLOWED_SIGNERS}"])
        since = signs_since(read_signers(signers), self.key.blob)
        if since is None:
            raise StoreError(f"{self.journal.keys / KEY_FILE}: expected the key in the journal's {ALLOWED_SIGNERS}")
        return since

    def _git(self, *arguments: str, given: bytes = b"") -> bytes:
        # Git holds our lock for as long as it runs: nobody else writes before it has ended too.
        return self.journal.git(*arguments, given=given, keep=(self.lock,))


def _commit(sha: str, seconds: str) -> JournalEntry:
    return JournalEntry(sha, datetime.fromtimestamp(int(seconds), UTC))


def _by_folder(paths: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(path.rpartition("/")[0], []).append(path)
    return found
