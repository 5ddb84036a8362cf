"""Process identity: host, pid and start together, since a pid alone is soon given to another process.

The start is counted by the kernel's own clock, which nobody sets: were it reckoned from the time of day, every live
process would look like another one after a step of the system clock. No Prefect in here: it is read before Prefect may
be imported. The caller decides about a dead process.
"""

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import psutil

# Where there is no /proc, a start is reckoned from the boot time, which moves when the system clock is corrected.
CLOCK_TOLERANCE_SECONDS = 5.0
PROC = Path("/proc")
# Of the fields of /proc/<pid>/stat that follow the name in brackets (proc(5): starttime is number 22).
_STARTED = 19


@dataclass(frozen=True)
class ProcessIdentity:
    """One process of one machine; `created` is its start in seconds since a point that is the boot's own."""

    host: str
    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """Identify a running process of this machine; psutil.NoSuchProcess if there is none."""
        return cls(socket.gethostname(), pid, _started(psutil.Process(pid)))

    @classmethod
    def current(cls) -> Self:
        """Identify the calling process."""
        return cls.of(os.getpid())

    @property
    def here(self) -> bool:
        """Whether it belongs to this machine. Nothing is known about the processes of another."""
        return self.host == socket.gethostname()

    def process(self) -> psutil.Process | None:
        """Find the very process; None when it is gone (a zombie is gone), its pid is another's, or it is elsewhere."""
        try:
            process = psutil.Process(self.pid) if self.here else None
            if process is None or process.status() == psutil.STATUS_ZOMBIE:
                return None
            return process if abs(_started(process) - self.created) < CLOCK_TOLERANCE_SECONDS else None
        except psutil.NoSuchProcess:
            return None


def _started(process: psutil.Process) -> float:
    try:
        after_name = (PROC / str(process.pid) / "stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        if PROC.exists():
            raise psutil.NoSuchProcess(process.pid) from None
        return float(process.create_time())
    return _boot() + int(after_name[_STARTED]) / os.sysconf("SC_CLK_TCK")


@cache
def _boot() -> int:
    """Make a number of this boot's identity: another boot may start the same pid after the same time."""
    return int((PROC / "sys/kernel/random/boot_id").read_text()[:8], 16)
