"""Waiting for another process's doing: ask until it is so, never sleep for a time."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from countersign.deployments.supervision.child import Child

T = TypeVar("T")
# Bounds a hang and nothing else: no test fails because the machine is busy.
PATIENCE_SECONDS = 300.0


@dataclass(frozen=True)
class Stopwatch:
    """Says for how long something has gone on: for programs that go on for a time, never for a verdict."""

    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self.began


def wait_until(condition: Callable[[], T], seconds: float = PATIENCE_SECONDS, child: Child | None = None) -> T:
    """Return the first true answer; fail the test when there is none in time, or `child` has ended."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not (answer := condition()):
        late = time.monotonic() > deadline
        if late or (child and child.exit_code is not None):
            output = child.log.read_text()[-4000:] if child else ""
            raise AssertionError(f"{'not in time' if late else 'the child has ended'}: {condition}\n{output}")
        pause.wait(0.05)
    return answer
