"""Git as a program: run on one repository, under no configuration but its own, and without questions."""

import os
import subprocess
from collections.abc import Collection, Generator, Iterable
from pathlib import Path

from models.errors import StoreError

TIMEOUT_SECONDS = 600.0
MISSING = "missing"


def environment(path: Path) -> dict[str, str]:
    """Return the environment of a git that works on the repository alone: no other configuration, and no questions."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "HOME") if name in os.environ}
    settings = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
    return kept | settings | {"GIT_DIR": str(path), "LC_ALL": "C"}


def run_git(path: Path, arguments: Iterable[str], given: bytes = b"", keep: Collection[int] = ()) -> bytes:
    """Run git on the repository; return its output. StoreError with git's own words if it fails.

    `given` is its input, `keep` are file descriptors that it inherits.
    """
    command = ["git", *arguments]
    try:
        done = subprocess.run(
            command,
            input=given,
            capture_output=True,
            env=environment(path),
            cwd=path,
            pass_fds=tuple(keep),
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise StoreError(f"journal: git was not found ({error})") from error
    except subprocess.TimeoutExpired as error:
        raise StoreError(f"journal: git {command[1]} did not end within {TIMEOUT_SECONDS:g} s") from error
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise StoreError(f"journal: git {command[1]} failed ({done.returncode}): {said[:500]}")
    return done.stdout


def read_batch(output: bytes) -> Generator[tuple[str, bytes]]:
    """Read the output of `git cat-file --batch`: kind and content of each object, or MISSING and nothing."""
    start = 0
    while start < len(output):
        end = output.index(b"\n", start)
        kind, _, size = output[start:end].rpartition(b" ")
        if size == MISSING.encode():
            yield MISSING, b""
            start = end + 1
            continue
        stop = end + 1 + int(size)
        yield kind.rpartition(b" ")[2].decode(), output[end + 1 : stop]
        start = stop + 1
