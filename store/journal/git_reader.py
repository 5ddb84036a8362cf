"""Reading a foreign git repository without trusting it: its history, the files of each commit, checked objects.

Git is run in a repository of our own, empty but for the borrowed object folder: the foreign one's configuration, hooks,
attributes, grafts, replacements and working copy are never read, so nothing in it can run or bend git's output. Every
object is hashed again, because git does not do so when it reads: an object whose bytes are not those of its name is
reported. Indexes and caches beside the objects (commit graph, multi-pack index) are not used.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from countersign.domain.attestation.journal import Change
from countersign.models.errors import InputError, StoreError
from countersign.store.journal.git_commands import UNCONFIGURED, stream_git
from countersign.store.journal.git_objects import COMMIT, TREE, tree_fault

OBJECT_NAME = re.compile(r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")
REFERENCE = re.compile(r"^refs/[\w./+-]+$", re.ASCII)
SYMBOLIC_DEPTH = 5
SMALL_FILE = 4 * 1024**2

# Far above any journal, and safe for a machine: a few kilobytes of git objects can unfold to anything.
MAX_CHANGES = 5_000_000
MAX_GIT_BYTES = 4 * 1024**3
MAX_OBJECT_BYTES = 64 * 1024**2
MAX_KEPT_BYTES = 4 * 1024**3
MAX_SECONDS = 3_600.0  # a pipe in place of an object would be waited for for ever
CHUNK = 1024**2

CONFIGURATION = """[core]
\trepositoryformatversion = {version}
\tbare = true
\thooksPath = /dev/null
\tfsmonitor = false
\tcommitGraph = false
\tmultiPackIndex = false
\tattributesFile = /dev/null
[protocol]
\tallow = never
[maintenance]
\tauto = false
[gc]
\tauto = 0
{extensions}"""


@dataclass
class ReadObjects:
    """Contents by object name; `corrupt` are objects whose bytes are not those of their name, `oversized` were left.

    `odd_trees` names the faults of folders that HEAD reaches and git would not have written.
    """

    commits: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    corrupt: set[str] = field(default_factory=set)
    oversized: set[str] = field(default_factory=set)
    odd_trees: dict[str, str] = field(default_factory=dict)


class GitObjects:
    """Git objects of a repository. `head` is the commit that its HEAD names; `work` its working copy, if any."""

    def __init__(self, folder: Path, common: Path, head: str, work: Path | None) -> None:
        self.head = head
        self.work = work
        algorithm = "sha1" if len(head) == 40 else "sha256"
        extensions = "" if algorithm == "sha1" else f"[extensions]\n\tobjectFormat = {algorithm}\n"
        configuration = CONFIGURATION.format(version=int(algorithm != "sha1"), extensions=extensions)
        for name in ("refs", "objects"):
            (folder / name).mkdir()
        (folder / "HEAD").write_text("ref: refs/heads/none\n")
        (folder / "config").write_text(configuration)
        self._folder = folder
        self._algorithm = algorithm
        self._environment = UNCONFIGURED | {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "GIT_DIR": str(folder),
            "GIT_OBJECT_DIRECTORY": str(common / "objects"),
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
        }

    def history(self) -> list[str]:
        """List the commits that HEAD reaches, parents before children, otherwise by date."""
        with self._git("rev-list", "--date-order", "--reverse", self.head) as out:
            return out.read().decode("ascii").split()

    def changes(self, commits: Iterable[str], under: str = "") -> list[Change]:
        """List the changes of each commit against each of its parents, in the order given; only `under` a folder."""
        listed = self._folder / "commits"
        listed.write_text("".join(f"{commit}\n" for commit in commits))
        options = ("--stdin", "-r", "-m", "-z", "--root", "--raw", "--no-renames", "--no-abbrev")
        found: list[Change] = []
        commit = meta = ""
        paths = ["--", under] if under else []
        with listed.open("rb") as stdin, self._git("diff-tree", *options, *paths, stdin=stdin) as out:
            for token in _tokens(out):
                if meta:
                    _, mode, _, blob, status = meta.split(" ")
                    found.append(Change(commit, token, mode, "" if status.startswith("D") else blob))
                    meta = ""
                elif token.startswith(":"):
                    meta = token
                else:
                    commit = token.split(" ", 1)[0]
                if len(found) > MAX_CHANGES:
                    raise InputError("repository", f"at most {MAX_CHANGES} changed files", "more")
        return found

    def read(self, blobs: set[str]) -> ReadObjects:
        """Read every commit, and those blobs; hash every object there is, whether wanted or not."""
        objects, kept = ReadObjects(), 0
        with self._git("cat-file", "--batch-all-objects", "--batch", "--unordered", "--buffer") as out:
            while (header := out.readline()).endswith(b"\n"):  # half a line, if git was ended
                name, kind, *sizes = header.decode("ascii").split()
                if not sizes:  # "<name> missing": the object cannot even be unpacked
                    objects.corrupt.add(name)
                    continue
                size = sizes[0]
                wanted = kind in {COMMIT, TREE} or name in blobs
                digest = hashlib.new(self._algorithm, f"{kind} {size}\0".encode(), usedforsecurity=False)
                content = _take(out, int(size), digest.update, keep=wanted and int(size) <= MAX_OBJECT_BYTES)
                if digest.hexdigest() != name:
                    objects.corrupt.add(name)
                elif wanted and content is None:
                    objects.oversized.add(name)
                elif content is not None and kind == TREE:
                    odd = tree_fault(content, digest.digest_size)
                    objects.odd_trees |= {name: odd} if odd else {}
                elif content is not None:
                    (objects.commits if kind == COMMIT else objects.blobs)[name] = content
                    kept += len(content)
                if kept > MAX_KEPT_BYTES:
                    raise InputError("repository", f"at most {MAX_KEPT_BYTES} bytes of files", "more")
        if objects.odd_trees:
            reached = self._reached()
            objects.odd_trees = {name: odd for name, odd in objects.odd_trees.items() if name in reached}
        return objects

    def _reached(self) -> set[str]:
        """The names of all objects that HEAD reaches."""
        with self._git("rev-list", "--objects", "--no-object-names", self.head) as out:
            return set(out.read().decode("ascii").split())

    @contextmanager
    def _git(self, *arguments: str, stdin: IO[bytes] | None = None) -> Iterator[IO[bytes]]:
        """Run git and give its output as a stream; StoreError if it could not read the repository."""
        try:
            # Git gathers a commit's changes in memory before it tells any.
            with stream_git(self._folder, arguments, self._environment, MAX_SECONDS, stdin, MAX_GIT_BYTES) as out:
                yield out
        except StoreError as error:
            raise StoreError(f"the repository's objects cannot be read: {error}") from error


@contextmanager
def open_repository(path: Path) -> Iterator[GitObjects]:
    """Open a clone, bare or with a working copy; InputError if it is none, has no commit, or is a shallow one."""
    work, folder = _locate(path)
    pointer = _small(folder / "commondir")
    common = folder / pointer.strip() if pointer else folder
    if not (common / "objects").is_dir():
        raise InputError("repository", "a git repository", f"{path}, which is none")
    if (common / "shallow").exists():
        raise InputError(
            "repository", "a clone with its whole history (git fetch --unshallow)", f"{path}, a shallow one"
        )
    head = _resolve(folder, common)
    with tempfile.TemporaryDirectory(prefix="countersign-") as own:
        yield GitObjects(Path(own), common.resolve(), head, work)


def _locate(path: Path) -> tuple[Path | None, Path]:
    """The working copy, if there is one, and the folder with HEAD."""
    inside = path / ".git"
    if inside.is_dir():
        return path, inside
    pointer = _small(inside)
    if pointer and pointer.startswith("gitdir: "):
        return path, path / pointer.removeprefix("gitdir: ").strip()
    if not (path / "HEAD").is_file():
        raise InputError("repository", "a git repository", f"{path}, which is none")
    return None, path


def _resolve(folder: Path, common: Path) -> str:
    """The commit that HEAD names, through loose or packed references."""
    text = (_small(folder / "HEAD") or "").strip()
    packed: dict[str, str] | None = None
    for _ in range(SYMBOLIC_DEPTH):
        if OBJECT_NAME.match(text):
            return text
        reference = text.removeprefix("ref: ")
        if reference == text or not REFERENCE.match(reference) or ".." in reference:
            raise InputError("repository", "a HEAD that names a branch or a commit", f"{text[:80]!r}")
        loose = _small(common / reference)
        if loose is None:
            packed = _packed(common) if packed is None else packed
            loose = packed.get(reference)
        if loose is None:
            raise InputError("repository", "at least one commit", f"none on {reference}")
        text = loose.strip()
    raise InputError("repository", "a HEAD that names a branch or a commit", "a chain of references")


def _packed(common: Path) -> dict[str, str]:
    lines = (_small(common / "packed-refs", 64 * SMALL_FILE) or "").splitlines()
    pairs = (line.split(" ", 1) for line in lines if line[:1] not in {"#", "^", ""})
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}


def _small(path: Path, limit: int = SMALL_FILE) -> str | None:
    """The text of a regular file of sensible size, None if there is none (a pipe or a device would never end)."""
    if not path.is_file() or path.stat().st_size > limit:
        return None
    return path.read_text("utf-8", "backslashreplace")


def _tokens(out: IO[bytes]) -> Iterator[str]:
    """The parts of a stream between NULs."""
    rest = b""
    while chunk := out.read(CHUNK):
        *whole, rest = (rest + chunk).split(b"\0")
        for token in whole:
            yield token.decode("utf-8", "backslashreplace")


def _take(out: IO[bytes], size: int, update: Callable[[bytes], None], *, keep: bool) -> bytes | None:
    """Read an object's content and the line break behind it, feed it to `update`, and return it if it is to be kept."""
    if keep or size <= CHUNK:
        content = out.read(size)
        update(content)
        out.read(1)
        return content if keep else None
    left = size
    while left and (chunk := out.read(min(left, CHUNK))):
        update(chunk)
        left -= len(chunk)
    out.read(1)
    return None
