"""The program git, started by GitPython: no variable of git's but ours, no shell, no questions, and a time limit.

GitPython adds the variables of this process to those it is given, and has no way to leave one out. Where the account
has some of git's own (`GIT_DIR`, `GIT_CONFIG_COUNT`, `GIT_EXEC_PATH`), the program `env` takes them out again before it
becomes git; it costs 0.8 ms, so that it is left out where there are none.
"""

import os
import resource
import threading
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from typing import IO, Any, cast

import psutil

from countersign.models.errors import StoreError

TIMEOUT_SECONDS = 600.0
# The files of the system and of the account are not read, and nobody is asked.
UNCONFIGURED = {
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
    "XDG_CONFIG_HOME": os.devnull,
}
MISSING = "missing"
SAID_BYTES = 2_000


def environment(path: Path) -> dict[str, str]:
    """Return the environment of a git that works on the repository alone: no other configuration, and no questions."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "HOME") if name in os.environ}
    return kept | UNCONFIGURED | {"GIT_DIR": str(path)}


def run_git(path: Path, arguments: Sequence[str], given: bytes = b"", keep: Collection[int] = ()) -> bytes:
    """Run git on the repository; return its output. StoreError with git's own words if it fails.

    `given` is its input, `keep` are file descriptors that it inherits.
    """
    try:
        code, output, complaints = finish_git(path, arguments, environment(path), TIMEOUT_SECONDS, given, keep)
    except TimeoutError as error:
        raise StoreError(f"journal: {error}") from error
    if code:
        said = " ".join(complaints.decode(errors="replace").split())
        raise StoreError(f"journal: git {arguments[0]} failed ({code}): {said[:500]}")
    return output


def finish_git(
    folder: Path,
    arguments: Sequence[str],
    variables: Mapping[str, str],
    limit_seconds: float,
    given: bytes = b"",
    keep: Collection[int] = (),
) -> tuple[int, bytes, bytes]:
    """Run git in the folder to its end; return exit code, output and error output.

    TimeoutError after the limit, StoreError if there is no git. Its helpers end with it.
    """
    with _start(folder, arguments, variables, PIPE, keep) as running:
        try:
            output, complaints = running.communicate(given, timeout=limit_seconds)
        except BaseException as error:
            _end(running)
            if isinstance(error, TimeoutExpired):
                raise TimeoutError(f"git {arguments[0]} did not end within {limit_seconds:g} s") from error
            raise
    return running.returncode, output, complaints


@contextmanager
def stream_git(
    folder: Path,
    arguments: Sequence[str],
    variables: Mapping[str, str],
    limit_seconds: float,
    given: IO[bytes] | None = None,
    memory_bytes: int | None = None,
) -> Generator[IO[bytes]]:
    """Run git in the folder and give its output as a stream; one that is not read to its end ends git.

    StoreError in git's own words if it fails, or has not ended after the limit. `memory_bytes` bounds its memory.
    """
    with _start(folder, arguments, variables, given or DEVNULL) as running:
        if memory_bytes and hasattr(resource, "prlimit"):  # Linux
            resource.prlimit(running.pid, resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
        said, late = bytearray(), threading.Event()

        def stop() -> None:
            late.set()
            _end(running)

        # Git would wait for somebody to read its complaints once they fill the pipe.
        listener = threading.Thread(target=_listen, args=(running.stderr, said), daemon=True)
        watch = threading.Timer(limit_seconds, stop)
        watch.daemon = True
        listener.start()
        watch.start()
        try:
            output = cast("IO[bytes]", running.stdout)
            yield output
            failed = not output.read(1) and running.wait()
        finally:
            watch.cancel()
            _end(running)
            listener.join()
    if late.is_set():
        raise StoreError(f"git {arguments[0]} did not end within {limit_seconds:g} s")
    if failed:
        lines = said.decode("utf-8", "backslashreplace").strip().splitlines()
        raise StoreError(lines[0] if lines else f"git {arguments[0]} failed ({running.returncode})")


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


def _start(
    folder: Path,
    arguments: Iterable[str],
    variables: Mapping[str, str],
    given: int | IO[bytes],
    keep: Collection[int] = (),
) -> Popen[bytes]:
    try:
        # Takes 0.09 s to import, which `--help` and `status` need not pay, and asks git for its version.
        from git import Git, GitCommandNotFound  # noqa: PLC0415
    except ImportError as error:
        raise _not_found(error) from error
    foreign = [name for name in os.environ.keys() - variables.keys() if name.startswith("GIT_")]
    cleaned = ["env", *(f"-u{name}" for name in foreign)] if foreign else []
    command = [*cleaned, "git", "--no-pager", *arguments]
    options: dict[str, Any] = {"istream": given, "as_process": True, "shell": False, "pass_fds": tuple(keep)}
    try:
        wrapped = cast("Git.AutoInterrupt", Git(folder).execute(command, env=variables, **options))
    except GitCommandNotFound as error:
        raise _not_found(error) from error
    except OSError as error:
        raise StoreError(f"git could not be started ({error})") from error
    # The wrapper ends git when it is collected, and asks for no more than SIGTERM.
    running, wrapped.proc = cast("Popen[bytes]", wrapped.proc), None
    return running


def _not_found(error: Exception) -> StoreError:
    return StoreError(f"git was not found ({' '.join(str(error).split())[:200]})")


def _end(running: Popen[bytes]) -> None:
    """End git and its helpers, which would go on waiting, or writing; nothing if it has ended."""
    # Not by a process group of its own: it has to go with ours when that is ended.
    if running.poll() is None:
        with suppress(psutil.NoSuchProcess):
            for helper in psutil.Process(running.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    helper.kill()
        running.kill()
        running.wait()


def _listen(stream: IO[bytes], said: bytearray) -> None:
    """Read a stream to its end, and keep its beginning."""
    while part := stream.read(SAID_BYTES):
        said += part[: SAID_BYTES - len(said)]
