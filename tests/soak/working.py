"""A platform at work: its researchers' requests and its evenings' stages, session by session, as the plan has them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, datetime
from functools import partial
from random import Random
from typing import TypeVar

from countersign.models.errors import StoreError
from countersign.services.attestation.sealing import is_pending
from countersign.store.home import Home
from tests.soak.client import Client
from tests.soak.herd import Herd, Process
from tests.soak.plan import EVENING, MORNING, NOON, Plan, Portfolio
from tests.support.waiting import wait_until

T = TypeVar("T")
SENDERS = 6
# The share of stages that are started twice at the same moment.
TWICE = 0.2

# Prefix of the names of stages that are run as flows.
FLOW = "flow "

StageStarter = Callable[[str, date], Process]


class Work:
    """Lives the sessions of a plan, one after the other; `at` names its work at the moment.

    `start` starts a stage's process, and `prefix` begins its name.
    """

    def __init__(self, home: Home, plan: Plan, client: Client, herd: Herd, start: StageStarter) -> None:
        self.home, self.plan, self.client, self.herd, self.start = home, plan, client, herd, start
        self.at, self.prefix = "beginning", ""
        self.sent = 0

    def live(self, n: int) -> None:
        """Live the n-th session. Nobody moves the clock on before everything that was received is sealed."""
        day = self.plan.day(n)
        self.at = "opening"
        self._set_clock(day.at(MORNING))
        for terms in day.opened:
            self.client.open(terms)
        for move in day.moves:
            self.client.move(move)
        for self.at, time, portfolios in (("morning", MORNING, day.morning), ("noon", NOON, day.noon)):
            self._set_clock(day.at(time))
            self._submit(day.session, portfolios)
            self._wait_for_seals()
        self._set_clock(day.at(EVENING))
        rng = Random(f"{self.plan.seed}/stages/{n}")
        for self.at in ("ingest", "settle", "evaluate"):
            self._run(self.at, day.session, 2 if rng.random() < TWICE else 1)
        self.at = "revealing"
        self._wait_for_seals()

    def _submit(self, session: date, portfolios: dict[str, tuple[Portfolio, ...]]) -> None:
        def send(slug: str) -> None:
            for portfolio in portfolios[slug]:
                self.client.submit(slug, session, portfolio)

        with ThreadPoolExecutor(SENDERS) as threads:
            for done in [threads.submit(send, slug) for slug in portfolios]:
                done.result()
        self.sent += sum(map(len, portfolios.values()))

    def _run(self, stage: str, session: date, times: int) -> None:
        with ThreadPoolExecutor(times) as threads:
            start = partial(self.start, stage, session)
            for done in [threads.submit(self.herd.repeat, self.prefix + stage, start) for _ in range(times)]:
                done.result()

    def _set_clock(self, now: datetime) -> None:
        wait_until(partial(answered, lambda: self.home.clock.set(now) is None))

    def _wait_for_seals(self) -> None:
        wait_until(partial(answered, lambda: not is_pending(self.home)))


def answered(ask: Callable[[], bool]) -> bool:
    """Ask a store; False while it does not answer, as its disk is full."""
    with suppress(StoreError):
        return ask()
    return False
