"""Processes that die, as if by kill -9, at the n-th step: around a flush, a rename, a commit, or a program they run.

The steps are counted by wrapping the operating system's calls and SQLAlchemy's commit from outside: the code under test
knows nothing of it. Call `die_at` in a process of its own.
"""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import git  # noqa: F401 - asks git for its version, which is no step of anything
import pytest
from sqlalchemy import Engine, event
from sqlmodel import Session

CHANGES = {"os.mkdir", "os.chmod", "os.rename", "os.remove", "os.symlink", "os.truncate"}


class Steps:
    """Counts steps; at number `fatal` the process is gone."""

    def __init__(self, fatal: int) -> None:
        self.fatal, self.count = fatal, 0

    def before(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make a step before each call of a function."""

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.step()
            return function(*args, **kwargs)

        return wrapped

    def after(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make a step after each call of a function."""

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            self.step()
            return result

        return wrapped

    def step(self) -> None:
        """Live on, or die."""
        self.count += 1
        if self.count == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)


def die_at(step: int, function: Callable[..., Any], *arguments: Any) -> None:
    """Call a function and die at its n-th step."""
    steps = Steps(step)
    os.fsync = cast("Any", steps.before(os.fsync))
    Path.replace = cast("Any", steps.before(Path.replace))  # type: ignore[method-assign]
    Session.commit = cast("Any", steps.after(steps.before(Session.commit)))  # type: ignore[method-assign]
    # Before a program is started, when it has just been, and when it is done.
    started, ended = subprocess.Popen.__init__, subprocess.Popen.communicate
    subprocess.Popen.__init__ = cast("Any", steps.after(steps.before(started)))  # type: ignore[method-assign]
    subprocess.Popen.communicate = cast("Any", steps.after(ended))  # type: ignore[method-assign]
    function(*arguments)


def no_space_for(patch: pytest.MonkeyPatch, suffix: str) -> None:
    """Let there be no room on the disk for files of this suffix, which `store/files.py` writes: their bytes go to one
    that is full.
    """
    opened = os.open

    def open_full(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if flags & os.O_CREAT and f"{suffix}." in Path(path).name:
            return opened("/dev/full", os.O_WRONLY)
        return opened(path, flags, *rest, **options)

    patch.setattr(os, "open", open_full)


def run_out_of_space(after: int, function: Callable[..., Any], *arguments: Any) -> None:
    """Call a function in a process that cannot make a file longer than so many bytes: writing fails half-way."""
    import resource  # noqa: PLC0415 - not on every platform

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after, after))
    function(*arguments)


def find_read_only(folder: Path, function: Callable[..., Any], *arguments: Any) -> None:
    """Call a function in a process that finds a folder on a read-only file system, and databases read-only."""

    def refuse(what: str, given: tuple[Any, ...]) -> None:
        opened = what == "open" and isinstance(given[0], str | bytes) and given[2] & (os.O_WRONLY | os.O_RDWR)
        if (opened or what in CHANGES) and os.fsdecode(given[0]).startswith(str(folder)):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fsdecode(given[0]))

    event.listen(Engine, "connect", lambda connection, _record: connection.execute("PRAGMA query_only=ON"))
    sys.addaudithook(refuse)  # for as long as the process lives
    function(*arguments)
