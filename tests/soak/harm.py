"""Harm to a soak: processes are killed, suspended and terminated, the disk is filled, the remote breaks.

The seed decides the order and the gaps; chance decides the process that is hit then, and at which step.
"""

import signal
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil

from tests.soak.disk import Disk
from tests.soak.herd import Herd, Running, family
from tests.soak.remote import KINDS, Remote
from tests.soak.working import FLOW
from tests.support.waiting import Stopwatch

# Mean seconds between two kills (under `up`, whose parts take long to start), suspensions, full disks and outages.
KILL_GAP, UP_KILL_GAP, SUSPEND_GAP, DISK_GAP, REMOTE_GAP = 0.2, 1.0, 10.0, 15.0, 12.0
# How often each is chosen, where it lives.
WEIGHTS = {"api": 3.0, "sealer": 4.0, "second sealer": 2.0, "poller": 1.5, "git": 4.0, "up": 8.0}
# A stage without Prefect takes a second, and a flow run ten.
STAGE_WEIGHT, FLOW_WEIGHT = 5.0, 1.0
# Of all strokes: the rest are kills.
TERMINATED = 0.05
STARTING_SECONDS = 0.5
# `up` with its Prefect server, api, sealer, poller and flow runner; how often a kill goes through while it has fewer.
UP_PROCESSES, UP_STARTING_SHARE = 6, 0.01
GIT_PATIENCE_SECONDS = 0.3
LEFT_BYTES = (0, 0, 16_384, 65_536, 262_144)


@dataclass
class Record:
    """Record of the harm: `kills` by process and by the platform's work at the time; `circumstances` of the kills."""

    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    circumstances: Counter[str] = field(default_factory=Counter)
    terminated: int = 0
    suspended: int = 0
    disk_fills: int = 0
    outages: Counter[str] = field(default_factory=Counter)

    @property
    def killed(self) -> int:
        """How many processes were killed."""
        return self.kills.total()


class Harm:
    """Does harm in threads of its own, from `begin` on, for so many seconds or until `end`.

    `at_work` names the platform's work; `kill_gap` are mean seconds between two kills.
    """

    def __init__(
        self,
        herd: Herd,
        disk: Disk,
        remote: Remote,
        seed: int,
        at_work: Callable[[], str],
        record: Record,
        seconds: float,
        kill_gap: float = KILL_GAP,
    ) -> None:
        self.record, self._seconds, self._watch = record, seconds, Stopwatch()
        self._herd, self._disk, self._remote, self._seed, self._at_work = herd, disk, remote, seed, at_work
        self._over = threading.Event()
        self._full, self._away = threading.Event(), threading.Event()
        self._strokes = {
            "kill": (kill_gap, self._strike),
            "suspend": (SUSPEND_GAP, self._suspend),
            "disk": (DISK_GAP, self._fill),
            "remote": (REMOTE_GAP, self._break),
        }
        self._threads = ThreadPoolExecutor(len(self._strokes))
        self._under_way: list[Future[None]] = []

    def begin(self) -> None:
        """Begin."""
        self._under_way = [self._threads.submit(self._keep_on, name, *how) for name, how in self._strokes.items()]

    def end(self) -> None:
        """End, with the disk free, the remote back and no process suspended. Raises an error of a thread of its own."""
        self._over.set()
        self._threads.shutdown()
        for each in self._under_way:
            each.result()

    def _keep_on(self, name: str, gap: float, stroke: Callable[[Random], None]) -> None:
        rng = Random(f"{self._seed}/{name}")
        while not self._over.wait(rng.expovariate(1 / gap)):
            if self._watch.seconds > self._seconds:
                return
            stroke(rng)

    def _strike(self, rng: Random) -> None:
        living = self._herd.living()
        kinds = {each.name: each for each in living}
        names = [*kinds, "git"]
        kind = rng.choices(names, map(weight_of, names))[0]
        gently = rng.random() < TERMINATED
        if kind == "git":
            self._kill_git(living)
        elif gently:
            self.record.terminated += self._signal(kinds[kind], signal.SIGTERM)
        else:
            self._kill(kinds[kind], rng)

    def _kill(self, chosen: Running, rng: Random) -> None:
        pid, name, starting = chosen.process.pid, chosen.name, chosen.age.seconds < STARTING_SECONDS
        if name == "up":
            # All that it runs is as likely as itself. It takes long to start, and is mostly let.
            living = [each for each in family(pid) if is_alive(each)]
            if not living or (len(living) < UP_PROCESSES and rng.random() > UP_STARTING_SHARE):
                return
            process = rng.choice(living)
            pid, name = process.pid, f"up: {part_of(process)}"
        if self._signal(Running(name, chosen.process), signal.SIGKILL, pid):
            self._note(name, starting=starting)

    def _kill_git(self, living: list[Running]) -> None:
        """Wait a moment for a git of theirs, and kill it; those that serve the remote are another machine's."""
        watch = Stopwatch()
        while watch.seconds < GIT_PATIENCE_SECONDS:
            for each in living:
                for process in family(each.process.pid)[1:]:
                    with suppress(psutil.Error):
                        if process.name().startswith("git") and is_alive(process) and not self._is_remote(process):
                            process.kill()
                            self._note(f"git of the {each.name}", starting=False)
                            return

    def _is_remote(self, process: psutil.Process) -> bool:
        told = [process.cwd(), *process.cmdline()]
        return any(str(self._remote.path.with_suffix("")) in text for text in told)

    def _note(self, name: str, *, starting: bool) -> None:
        self.record.kills[name, self._at_work()] += 1
        flags = {"starting": starting, "disk full": self._full.is_set(), "remote broken": self._away.is_set()}
        self.record.circumstances.update(flag for flag, on in flags.items() if on)

    def _signal(self, chosen: Running, number: signal.Signals, pid: int | None = None) -> bool:
        if chosen.process.code() is not None:
            return False
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid or chosen.process.pid)
            if is_alive(process):
                self._herd.hit(chosen.process.pid)
                process.send_signal(number)
                return True
        return False

    def _suspend(self, rng: Random) -> None:
        chosen, seconds = rng.choice(self._herd.living() or [None]), rng.uniform(0.2, 3.0)
        if chosen and self._signal(chosen, signal.SIGSTOP):
            self.record.suspended += 1
            self._over.wait(seconds)
            self._signal(chosen, signal.SIGCONT)

    def _fill(self, rng: Random) -> None:
        left, seconds = rng.choice(LEFT_BYTES), rng.uniform(0.5, 3.0)
        if self._disk.real and self._disk.fill(left):
            with ExitStack() as after:
                after.callback(self._disk.free)
                self._full.set()
                after.callback(self._full.clear)
                self.record.disk_fills += 1
                self._over.wait(seconds)

    def _break(self, rng: Random) -> None:
        kind, seconds = rng.choice(KINDS), rng.uniform(0.5, 4.0)
        with ExitStack() as after:
            after.callback(self._remote.break_down(kind))
            self._away.set()
            after.callback(self._away.clear)
            self.record.outages[kind] += 1
            self._over.wait(seconds)


def weight_of(name: str) -> float:
    """Return how often a process of this name is chosen, where it lives."""
    return WEIGHTS.get(name, FLOW_WEIGHT if name.startswith(FLOW) else STAGE_WEIGHT)


def is_alive(process: psutil.Process) -> bool:
    """Whether a process can still be killed: one that nobody has asked for its exit code yet cannot."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def part_of(process: psutil.Process) -> str:
    """Say which part of `up` a process is, by its command line."""
    with suppress(psutil.Error):
        words = process.cmdline()
        for sign, name in PARTS.items():
            if any(sign in Path(word).name or sign == word for word in words):
                return name
        return process.name()
    return "gone"


PARTS = {
    "uvicorn": "api",
    "countersign.deployments.sealer": "sealer",
    "countersign.deployments.poller": "poller",
    "countersign.deployments.orchestration.runner": "flow runner",
    "countersign.deployments.precompile": "compiler",
    "prefect.engine": "flow run",
    "--multiprocessing-fork": "flow run",
    "server": "Prefect server",
    "git": "git",
    "cli": "itself",
}
