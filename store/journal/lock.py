"""The journal's lock, and the locks that dead gits leave in it.

Ours is a file lock that git's child processes inherit: the process that gets it knows that no git of a dead writer is
still at work. Git's own locks are files that a crash leaves behind; they say nothing about their owner.
"""

import fcntl
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil

from countersign.models.errors import LeaseError
from countersign.store.files import storage_errors

LOCK = "countersign.lock"
# A writer that was just killed may have a git that is still ending.
PATIENCE_SECONDS = 5.0
PAUSE_SECONDS = 0.02


@contextmanager
def hold_lock(repository: Path) -> Generator[int]:
    """Hold the repository's lock; give its file descriptor, for git to inherit. LeaseError if another holds it."""
    with storage_errors(repository / LOCK):
        file = (repository / LOCK).open("a")
    with file:
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise LeaseError(f"{repository}: another process holds {LOCK}") from None
                time.sleep(PAUSE_SECONDS)
        yield file.fileno()


def break_stale_locks(repository: Path) -> list[str]:
    """Remove lock files and half-written packs of dead gits; return their names. The caller holds our lock.

    LeaseError, and everything stays, while a git that somebody started by hand is at work in the repository.
    """
    ours = repository / LOCK
    left = [path for path in repository.glob("*.lock") if path != ours]
    left += (repository / "refs").rglob("*.lock")
    for pattern in ("tmp_*", ".*.tmp"):  # git's half-written packs, and ours
        left += (repository / "objects" / "pack").glob(pattern)
    if not left:
        return []
    owner = _git_at_work(repository)
    if owner is not None:
        raise LeaseError(f"{repository}: git process {owner} is at work, and {left[0].name} may be its own")
    for path in left:
        path.unlink(missing_ok=True)
    return [path.name for path in left]


def _git_at_work(repository: Path) -> int | None:
    """Find a live git that works in the repository; one that cannot be looked into might."""
    place = str(repository)
    for process in psutil.process_iter():
        try:
            if not process.name().startswith("git") or process.status() == psutil.STATUS_ZOMBIE:
                continue
            told = [process.cwd(), process.environ().get("GIT_DIR", ""), *process.cmdline()]
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:
            return process.pid
        if any(place in text for text in told):
            return process.pid
    return None
