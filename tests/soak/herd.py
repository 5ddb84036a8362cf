"""The processes of a soak: parts, started again as soon as they die, and stages, repeated until they are done."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

from tests.support.waiting import PATIENCE_SECONDS, Stopwatch

LOOK_SECONDS = 0.02
# After so many deaths in a row that nobody caused a stage will not succeed any more.
MOST_FAILURES = 60


class Process(Protocol):
    """A living process."""

    pid: int

    def code(self) -> int | None:
        """Return the exit code, None while it runs."""

    def stop(self) -> None:
        """Interrupt it."""


@dataclass
class Running:
    """A process with its name, and for how long it has run."""

    name: str
    process: Process
    age: Stopwatch = field(default_factory=Stopwatch)


@dataclass(frozen=True)
class Kept:
    """A part that is kept alive."""

    name: str
    start: Callable[[], Process]


class Herd:
    """All processes of a soak. `ended` counts those that ended by themselves, by name and exit code."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.ended: Counter[tuple[str, int]] = Counter()
        self._lock = threading.Lock()
        self._running: list[Running] = []
        self._hit: set[int] = set()
        self._kept: dict[str, Kept] = {}
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="herd")
        self._watcher.start()

    def living(self) -> list[Running]:
        """Return the processes that run now."""
        with self._lock:
            return [each for each in self._running if each.process.code() is None]

    def hit(self, pid: int) -> None:
        """Note that a process was killed on purpose."""
        with self._lock:
            self._hit.add(pid)

    def keep(self, *parts: Kept) -> None:
        """Start parts, and start them again whenever they die."""
        with self._lock:
            for part in parts:
                self._kept[part.name] = part
                self._running.append(Running(part.name, part.start()))

    def release(self) -> None:
        """Stop everything, and wait for it. AssertionError names processes that do not end."""
        with self._lock:
            self._kept.clear()
            stopping = list(self._running)
        for each in stopping:
            each.process.stop()
        watch = Stopwatch()
        # Until the watcher has seen their ends: it would take them for deaths of those that are kept next.
        while (left := list(self._running)) and watch.seconds < PATIENCE_SECONDS:
            for each in self.living():
                with suppress(ProcessLookupError):
                    os.kill(each.process.pid, signal.SIGCONT)
            self._over.wait(LOOK_SECONDS)
        assert not left, f"these did not stop: {[each.name for each in left]}"

    def run(self, name: str, start: Callable[[], Process]) -> int:
        """Run a process to its end; return its exit code."""
        with self._lock:
            running = Running(name, start())
            self._running.append(running)
        while running.process.code() is None:
            assert running.age.seconds < PATIENCE_SECONDS, f"{name} hangs; see {self.logs}"
            self._over.wait(LOOK_SECONDS)
        return int(running.process.code() or 0)

    def repeat(self, name: str, start: Callable[[], Process]) -> None:
        """Run a process again and again until it ends with 0."""
        failures = 0
        while (code := self.run(name, start)) != 0:
            failures = failures + 1 if code > 0 else 0
            assert failures < MOST_FAILURES, f"{name} fails with exit code {code}; see {self.logs}"
            self._over.wait(LOOK_SECONDS * failures)

    def close(self) -> None:
        """Kill the rest."""
        self._over.set()
        self._watcher.join()
        for each in self.living():
            for process in family(each.process.pid):
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            with self._lock:
                dead = [each for each in self._running if each.process.code() is not None]
                for each in dead:
                    self._running.remove(each)
                    if each.process.pid not in self._hit:
                        self.ended[each.name, int(each.process.code() or 0)] += 1
                    part = self._kept.get(each.name)
                    if part:
                        self._running.append(Running(part.name, part.start()))


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all that it started; nothing where it is gone."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def those_of(place: Path) -> Iterator[psutil.Process]:
    """Find the processes that work in a folder, by their command lines, folders and environments."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            told = [process.cwd(), *process.cmdline(), *process.environ().values()]
            if process.pid != os.getpid() and any(str(place) in text for text in told):
                yield process
