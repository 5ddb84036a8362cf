"""Who a process is: host, pid and start time together, since a pid alone is soon given to another process.

No Prefect in here: it is read before Prefect may be imported. What to do about a dead process is the caller's business.
"""

import os
import socket
from dataclasses import dataclass
from typing import Self

import psutil

# A create time is reckoned from the boot time, which moves a little whenever the system clock is corrected.
CLOCK_TOLERANCE_SECONDS = 5.0


@dataclass(frozen=True)
class ProcessIdentity:
    """One process of one machine; `created` is its start time in seconds since the epoch."""

    host: str
    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """Identify a running process of this machine; psutil.NoSuchProcess if there is none."""
        return cls(socket.gethostname(), pid, psutil.Process(pid).create_time())

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
            return process if abs(process.create_time() - self.created) < CLOCK_TOLERANCE_SECONDS else None
        except psutil.NoSuchProcess:
            return None
