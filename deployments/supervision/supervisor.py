"""Keeps the parts of `up` running: starts them in order, restarts one that dies, stops all in reverse order."""

import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from countersign.deployments.supervision.child import Child
from countersign.deployments.supervision.parts import Part, wait_until_ready

TICK_SECONDS = 0.1
FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 60.0
# A part that has run this long before it died starts again with the first backoff.
SETTLED_SECONDS = 60.0


@dataclass
class _Running:
    part: Part
    child: Child
    since: float
    backoff: float = FIRST_BACKOFF_SECONDS
    # When a dead one is to be started again; None while it lives.
    again_at: float | None = None


class Supervisor:
    """Runs parts until told to stop; `say` gets one line for each thing that happens."""

    def __init__(self, parts: Sequence[Part], say: Callable[[str], None]) -> None:
        self._parts, self._say = parts, say
        self._stop = threading.Event()
        self._running: list[_Running] = []

    def stop(self) -> None:
        """Ask it to stop, from a signal handler or another thread."""
        self._stop.set()

    def run(self, until: Callable[[], bool] = lambda: False, ready: Callable[[], None] = lambda: None) -> None:
        """Start every part, each once the one before is ready, and watch over them until `stop`, or `until` says so.

        Early parts start at once, and take their place in the order when it is their turn.
        `ready` is called once, when all of them run.
        CountersignError if a part does not get ready the first time. All are stopped on the way out, in any case.
        """
        try:
            for part in self._parts:
                if part.early:
                    self._begin(part)
            for part in self._parts:
                child = self._begin(part)
                if not wait_until_ready(part, child, self._stop):
                    return
                self._say(f"{part.name}: " + (part.url or "started"))
            ready()
            while not self._stop.wait(TICK_SECONDS) and not until():
                for number, running in enumerate(self._running):
                    self._watch(running, self._running[:number])
        finally:
            for running in reversed(self._running):
                running.child.stop(running.part.patience_seconds)
                self._say(f"{running.part.name}: stopped")

    def _begin(self, part: Part) -> Child:
        """Start a part that is not started yet; return its process."""
        for running in self._running:
            if running.part is part:
                return running.child
        child = part.start()
        self._running.append(_Running(part, child, time.monotonic()))
        self._running.sort(key=lambda running: self._parts.index(running.part))
        return child

    def _watch(self, running: _Running, earlier: Sequence[_Running]) -> None:
        """Notice a death; start the part again when its backoff is over and the parts before it, if hurt, are well."""
        part, now = running.part, time.monotonic()
        if running.again_at is None:
            code = running.child.exit_code
            if code is None:
                return
            # Nobody watches over its flow runs any more: they end with it, and are marked Crashed when it is back.
            running.child.kill_group()
            if now - running.since > SETTLED_SECONDS:
                running.backoff = FIRST_BACKOFF_SECONDS
            running.again_at = now + running.backoff
            self._say(f"{part.name}: died (exit code {code}), starts again in {running.backoff:g} s; see {part.log}")
            running.backoff = min(2 * running.backoff, LONGEST_BACKOFF_SECONDS)
        elif now >= running.again_at and all(other.again_at is None and other.part.ready() for other in earlier):
            running.child, running.since, running.again_at = part.start(), now, None
            self._say(f"{part.name}: started again")


@contextmanager
def stop_on_signals(supervisor: Supervisor) -> Generator[None]:
    """Turn SIGINT and SIGTERM into a clean stop for the while. Only a main thread may; others go without."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(_number: int, _frame: FrameType | None) -> None:
        supervisor.stop()

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
