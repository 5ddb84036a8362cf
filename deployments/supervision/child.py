"""A child process of ours: which ends when its parent does, in a process group of its own, with its output in a file.

Its group matters: processes that it starts (flow runs) belong to it and end with it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from countersign.store.processes import ProcessIdentity

LOG_BYTES = 5_000_000


class Child:
    """A running module; see deployments/supervision/parent_watch.py for how it ends with its parent."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """Start `python -m ARGUMENTS` with these variables added to ours; `log` is appended to, one old one is kept."""
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".old.log"))
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "countersign.deployments.supervision.parent_watch", *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                # Ctrl-C at the terminal reaches the parent alone, which then stops its children in order.
                start_new_session=True,
            )
        self.identity = ProcessIdentity.of(self._process.pid)
        self.log = log
        self._ended = False

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def stop(self, patience_seconds: float) -> None:
        """Interrupt it, wait, and kill the rest of its group. Safe to repeat."""
        if self.exit_code is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_seconds)
        self.kill_group()

    def kill_group(self) -> None:
        """Kill it and everything it started, now. Safe to repeat."""
        # Once only: later the group's number may be another's.
        if self._ended:
            return
        self._ended = True
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
