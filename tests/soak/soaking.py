"""A soak from its beginning to its verdict."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from countersign.deployments.feed import simulated_feed
from countersign.deployments.orchestration.server import free_port
from countersign.deployments.poller import poller_part
from countersign.deployments.sealer import sealer_part
from countersign.deployments.web import HOST, api_part
from countersign.services.accounts.accounts import set_tier
from countersign.services.attestation.pushing import remote_head
from countersign.services.attestation.sealing import is_pending
from countersign.settings import load_settings, open_home
from countersign.store.clock import wall_clock
from countersign.store.home import Home
from tests.soak.client import Client
from tests.soak.disk import Disk, mounted
from tests.soak.feed import RememberingFeed
from tests.soak.harm import KILL_GAP, UP_KILL_GAP, Harm, Record
from tests.soak.herd import Herd, Kept, Process
from tests.soak.judging import Evidence, judge, standing
from tests.soak.plan import Plan, write_market
from tests.soak.remote import Remote
from tests.soak.starting import Forked, Started
from tests.soak.undisturbed import begin, run_undisturbed
from tests.soak.working import FLOW, Work, answered
from tests.support.feeds import enter
from tests.support.market_homes import new_home
from tests.support.serving import NO_AUTHORITIES, join
from tests.support.waiting import PATIENCE_SECONDS, Stopwatch, wait_until

# The last part of a long soak is lived under `countersign up`, with its Prefect server and flow runs.
UP_SHARE, UP_FROM_SECONDS = 0.2, 120.0
FEED, FEED_SECONDS = "soak-feed", 10


@dataclass
class Report:
    """Outcome of a soak; `faults` are those of the home, or of an answer that was given."""

    seed: int
    seconds: float = 0.0
    sessions: int = 0
    submissions: int = 0
    disk: bool = True
    record: Record = field(default_factory=Record)
    unanswered: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def soak(folder: Path, seconds: float, seed: int, say: Callable[[str], None] = print) -> Report:
    """Soak a platform for so many seconds in a folder of its own, then judge it. With 0 it lives two days in peace."""
    # A stage that compiles takes longer than it is left alive. Polars' threads do not outlive a fork, hence a process.
    subprocess.run([sys.executable, "-m", "countersign.deployments.precompile"], check=True)
    with ExitStack() as after:
        disk = after.enter_context(mounted(folder / "disk"))
        herd = Herd(_made(folder / "logs"))
        after.callback(herd.close)
        return Soak(folder, disk, herd, seed, say).run(seconds)


class Soak:
    """The parts of a soak."""

    def __init__(self, folder: Path, disk: Disk, herd: Herd, seed: int, say: Callable[[str], None]) -> None:
        self.folder, self.disk, self.herd, self.seed, self.say = folder, disk, herd, seed, say
        self.plan, self.feed, self.remote = Plan(seed), RememberingFeed(seed), Remote(folder / "remote.git")
        self.market, self.path = folder / "market", disk.path / "home"
        self.port = free_port()
        self.report, self.days = Report(seed, disk=disk.real), 0

    def run(self, seconds: float) -> Report:
        """Prepare, soak, let everything finish, and judge."""
        write_market(self.plan, self.market)
        self.remote.create()
        with simulated_feed(self.feed, wall_clock) as url:  # type: ignore[arg-type]
            home = self._prepare(url)
            self.herd.keep(*self._parts(home))
            client = self._join(home)
            work = Work(home, self.plan, client, self.herd, self._forked_stage)
            self._soak(home, work, seconds)
            self._finish(home)
        self.report.sessions, self.report.submissions = self.days, work.sent
        self.report.unanswered = dict(client.unanswered)
        self.report.ended = {
            f"{name}, exit code {code}": n for (name, code), n in sorted(self.herd.ended.items()) if code
        }
        self.report.faults += client.faults
        self._judge(home, client)
        return self.report

    def _prepare(self, feed_url: str) -> Home:
        new_home(self.path, "simulated")
        with (self.path / "countersign.toml").open("a") as file:
            file.write(f'journal_remote = "{self.remote.path}"\n')
        load_settings.cache_clear()
        home = open_home(self.path)
        begin(home, self.plan, self.market)
        enter(home, FEED, feed_url, now=wall_clock(), every_seconds=FEED_SECONDS)
        return home

    def _parts(self, home: Home) -> list[Kept]:
        """The parts of `up` but for Prefect, and a second sealer that stands by."""
        parts = {
            "api": api_part(home.path, HOST, self.port),
            "sealer": sealer_part(home.path),
            "second sealer": sealer_part(home.path),
            "poller": poller_part(home.path),
        }
        return [
            Kept(name, partial(Forked, part.arguments, part.environment, self.herd.logs / f"{name}.log"))
            for name, part in parts.items()
        ]

    def _join(self, home: Home) -> Client:
        url = f"http://{HOST}:{self.port}"
        with httpx.Client(base_url=f"{url}/api/v1", timeout=PATIENCE_SECONDS, verify=NO_AUTHORITIES) as web:
            wait_until(lambda: _is_up(web))
            headers = join(home, web)
            who = web.get("/auth/me", headers=headers).json()
        with home.ledger.write() as db:
            set_tier(db, who["nickname"], "licensed", home.clock.now())
        return Client(url, headers)

    def _forked_stage(self, stage: str, session: Any) -> Process:
        words = ("tests.soak.stages", stage, str(self.path), str(session), str(self.market))
        return Forked(words, {}, self.herd.logs / "stages.log")

    def _flow(self, stage: str, session: Any) -> Process:
        """A stage as an operator runs it by hand; ingest has no provider here."""
        if stage == "ingest":
            return self._forked_stage(stage, session)
        words = ("cli", "run", stage, "--session", str(session), "--home", str(self.path))
        return Started(words, {}, self.herd.logs / "flows.log")

    def _up(self) -> Process:
        ports = ("--port", str(self.port), "--prefect-port", str(free_port()))
        return Started(("cli", "up", "--home", str(self.path), *ports), {}, self.herd.logs / "up.log")

    def _soak(self, home: Home, work: Work, seconds: float) -> None:
        watch = Stopwatch()
        if not seconds:
            self._live(work, lambda: self.days == 2, watch)
            return
        light = seconds * (1 - UP_SHARE) if seconds >= UP_FROM_SECONDS else seconds
        with self._harm(work, light):
            self._live(work, lambda: watch.seconds > light, watch)
        self.herd.release()
        if light < seconds:
            self.herd.keep(Kept("up", self._up))
            work.start, work.prefix = self._flow, FLOW
            with self._harm(work, seconds - watch.seconds, UP_KILL_GAP):
                self._live(work, lambda: watch.seconds > seconds, watch)
            self.herd.release()
        self.report.seconds = watch.seconds
        self.herd.keep(*self._parts(home))

    @contextmanager
    def _harm(self, work: Work, seconds: float, gap: float = KILL_GAP) -> Iterator[None]:
        record = self.report.record
        harm = Harm(self.herd, self.disk, self.remote, self.seed, lambda: work.at, record, seconds, gap)
        harm.begin()
        try:
            yield
        finally:
            harm.end()

    def _live(self, work: Work, over: Callable[[], bool], watch: Stopwatch) -> None:
        while not over():
            work.live(self.days)
            self.days += 1
            self.say(f"{watch.seconds:5.0f} s: {self.days} sessions, {self.report.record.killed} kills")

    def _finish(self, home: Home) -> None:
        """Let everything that waits be done, undisturbed; then stop all."""
        polls = self.feed.answers
        for stage in ("settle", "evaluate"):
            self.herd.repeat(stage, partial(self._forked_stage, stage, self.plan.sessions[self.days - 1]))
        wait_until(partial(answered, lambda: _is_out(home)))
        wait_until(lambda: self.feed.answers > polls + 1)
        self.report.faults += standing(home)
        self.herd.release()

    def _judge(self, home: Home, client: Client) -> None:
        self.say("the same in peace, and the verdict")
        other = run_undisturbed(self.folder / "undisturbed", home, self.plan, self.days, self.market)
        bars = self.market / "bars.parquet"
        deaths = self.report.record.killed + self.report.record.terminated
        evidence = Evidence(other, client.accepted, self.feed.last, self.feed.answered, bars, deaths)
        self.report.faults += judge(home, evidence)


def _is_up(web: httpx.Client) -> bool:
    try:
        return web.get("/health").is_success
    except httpx.TransportError:
        return False


def _is_out(home: Home) -> bool:
    head = home.journal.head()
    return not is_pending(home) and head is not None and remote_head(home) == head.sha


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
