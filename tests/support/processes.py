"""Real processes for tests, that are there at once: forked from a server that has imported everything already.

The server has touched nothing (no database, no frame, no thread), so that a forked process is as good as a new one.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

from tests.support.waiting import PATIENCE_SECONDS

KILLED = -9

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["__main__", "tests.support.preloaded"])


def start(function: Callable[..., Any], *arguments: Any) -> BaseProcess:
    """Start a process that calls a function; both must be picklable."""
    process = _context.Process(target=function, args=arguments, daemon=True)
    process.start()
    return process


def join(*processes: BaseProcess) -> list[int | None]:
    """Wait for the processes to end; return their exit codes (-9: killed)."""
    for process in processes:
        process.join(PATIENCE_SECONDS)
    return [process.exitcode for process in processes]


def run(function: Callable[..., Any], *arguments: Any) -> int | None:
    """Call a function in a process and wait for its end; return the exit code."""
    return join(start(function, *arguments))[0]


@contextmanager
def running(function: Callable[..., Any], *arguments: Any) -> Iterator[BaseProcess]:
    """Have a process call a function for the while; kill it, if it still lives, at the end."""
    process = start(function, *arguments)
    try:
        yield process
    finally:
        process.kill()
        process.join()


def event() -> Any:
    """Return an event that a process can be given, and either side can set and wait for."""
    return _context.Event()
