"""Waiting for another process's doing: ask until it is so, never sleep for a time."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from deployments.child import Child

T = TypeVar("T")
# Bounds a hang and nothing else: no test fails because the machine is busy.
PATIENCE_SECONDS = 300.0


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
