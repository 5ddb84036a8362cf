"""How a soak starts processes: forked from a server that has imported everything, or as people start them.

A forked one is there in a tenth of a second, and runs the same module as `countersign up` would, on the same leash.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from countersign.deployments.orchestration.environment import ROOT
from countersign.deployments.supervision import parent_watch

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.soak.preloaded", "tests.soak.starting"])


def become(arguments: tuple[str, ...], environment: Mapping[str, str], log: Path, line: Connection) -> None:
    """Turn a forked process into `python -m countersign.deployments.supervision.parent_watch ARGUMENTS`, as
    deployments/supervision/child.py starts it.
    """
    os.setsid()
    os.environ.update(environment)
    with log.open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.dup2(line.fileno(), 0)
    line.close()
    sys.argv = ["countersign.deployments.supervision.parent_watch", *arguments]
    parent_watch.main()


class Forked:
    """A forked process that runs a module."""

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str], log: Path) -> None:
        theirs, self._leash = _context.Pipe(duplex=False)
        self._lock = threading.Lock()
        self._process = _context.Process(target=become, args=(arguments, environment, log, theirs))
        self._process.start()
        theirs.close()
        assert self._process.pid
        self.pid = self._process.pid

    def code(self) -> int | None:
        # It is read from a pipe, once: a second thread that asked at the same moment would get 255.
        with self._lock:
            return self._process.exitcode

    def stop(self) -> None:
        self._leash.close()


class Started:
    """A process that is started as people start it, in a group of its own."""

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                cwd=ROOT,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def code(self) -> int | None:
        return self._process.poll()

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
