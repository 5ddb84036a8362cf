"""The processes of a soak: parts that are started again as soon as they die, and stages that are repeated until done.

Most are forked from a server that has imported everything: they are there in a tenth of a second, and run the same
modules as `countersign up` starts, on the same leash. Those of `up` itself are started as people start it.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import psutil

from deployments import leash
from deployments.environment import ROOT
from tests.support.waiting import PATIENCE_SECONDS, Stopwatch

PRELOADED = ("tests.soak.preloaded", "tests.soak.herd")
LOOK_SECONDS = 0.02
# After so many deaths in a row that nobody caused a stage will not succeed any more.
MOST_FAILURES = 60

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(list(PRELOADED))


class Process(Protocol):
    """A living process."""

    pid: int

    def code(self) -> int | None:
        """Return the exit code, None while it runs."""

    def stop(self) -> None:
        """Interrupt it."""


def become(arguments: tuple[str, ...], environment: Mapping[str, str], log: Path, line: Connection) -> None:
    """Turn a forked process into `python -m deployments.leash ARGUMENTS`, as deployments/child.py starts it."""
    os.setsid()
    os.environ.update(environment)
    with log.open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.dup2(line.fileno(), 0)
    line.close()
    sys.argv = ["deployments.leash", *arguments]
    leash.main()


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
        # It is read from a pipe, once: whoever asks at the same moment would be told that it is 255.
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
        """Stop all parts, in order, and wait for them; kill what does not end."""
        with self._lock:
            self._kept.clear()
            stopping = list(self._running)
        for each in stopping:
            each.process.stop()
        watch = Stopwatch()
        while (left := self.living()) and watch.seconds < PATIENCE_SECONDS:
            for each in left:
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
        """Kill whatever is left."""
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


def those_of(place: Path) -> Iterator[Any]:
    """Find the processes that work in a folder, by their command lines, folders and environments."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            told = [process.cwd(), *process.cmdline(), *process.environ().values()]
            if process.pid != os.getpid() and any(str(place) in text for text in told):
                yield process
