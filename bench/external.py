"""External signals: a large answer stored beside a million signals, a poll's own time, and the poller's cost."""

import asyncio
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import psutil

from bench.report import figure
from countersign.deployments.feed import simulated_feed
from countersign.deployments.poller import poller_part
from countersign.domain.external.feed_simulation import SimulatedFeed
from countersign.domain.external.items import Items, normalise
from countersign.services.external.answers import Poll, store_answer
from countersign.services.external.polling import poll_source
from countersign.services.external.sources import list_sources
from countersign.services.publication.publish import publish
from countersign.sources.external.feed_answers import open_client
from countersign.store.clock import wall_clock
from countersign.store.home import Home
from tests.support.feeds import ITEM, KEY, enter
from tests.support.homes import make_home

BATCH, KNOWN, STORED, RUNS = 100_000, 90_000, 1_000_000, 3
WATCHED_SECONDS = 60
NOW = datetime(2026, 5, 24, 12, tzinfo=UTC)


def main() -> None:
    """Print one JSON line a figure."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("COUNTERSIGN_BENCH_FOLDER")) as folder:
        dedupe(Path(folder) / "large")
        one_poll(Path(folder) / "small")


def items(first: int, count: int) -> Items:
    """Signals with these numbers, normalised."""
    return normalise([ITEM | {"id": number} for number in range(first, first + count)])


def dedupe(path: Path) -> None:
    """Store answers of 100,000 items, 90 % known, beside 100,000 stored ones and beside 1,000,000."""
    home = make_home(path, f"sqlite:///{path / 'ledger.db'}")
    source, stored, now = enter(home, "feed", "https://feed.example"), 0, NOW
    for wanted in (BATCH, STORED):
        while stored < wanted:
            store(home, source, items(stored, BATCH), NOW)
            stored += BATCH
        seconds = []
        for _ in range(RUNS):
            now += timedelta(minutes=1)
            answer = items(stored - KNOWN, BATCH)
            start = perf_counter()
            found = store(home, source, answer, now)
            seconds.append(perf_counter() - start)
            assert (found.new, found.known) == (BATCH - KNOWN, KNOWN)
            stored += BATCH - KNOWN
        title = f"dedupe of {BATCH} external signals, 90 % known, against {wanted}"
        figure(title, seconds, "s", must=10, better="lower")
    start = perf_counter()
    items(0, BATCH)
    figure(f"normalising {BATCH} external signals", [perf_counter() - start], "s", must=None, better="lower")
    start = perf_counter()
    publish(home)
    figure(f"lens of {stored} external signals from nothing", [perf_counter() - start], "s", must=None, better="lower")
    seconds = []
    for _ in range(RUNS):
        store(home, source, items(stored, 100), NOW)
        stored += 100
        start = perf_counter()
        publish(home)
        seconds.append(perf_counter() - start)
    figure(f"lens, 100 external signals more beside {STORED}", seconds, "s", must=None, better="lower")


def store(home: Home, source: int, answer: Items, at: datetime) -> Any:
    """Store one answer."""
    with home.ledger.write() as db:
        return store_answer(db, Poll(source, at, at, 60), answer)


def one_poll(path: Path) -> None:
    """Poll a feed on the loopback again and again; then let the poller's process do it."""
    home = make_home(path, f"sqlite:///{path / 'ledger.db'}")
    now = wall_clock()
    with simulated_feed(SimulatedFeed(premium_keys=frozenset({KEY})), wall_clock) as url:
        enter(home, "feed", url, now=now, key=KEY, every_seconds=10)
        cpu = asyncio.run(polls(home))
        figure("one poll of one source: CPU time, the simulated feed's included", cpu, "s", must=0.1, better="lower")
        child = poller_part(home.path).start()
        try:
            process = psutil.Process(child.identity.pid)
            while polled_at(home) <= now:
                assert child.exit_code is None
                time.sleep(0.2)
            before, start = sum(process.cpu_times()[:2]), perf_counter()
            time.sleep(WATCHED_SECONDS)
            used = (sum(process.cpu_times()[:2]) - before) / (perf_counter() - start)
            figure("the poller, a poll each 10 s: CPU", [100 * used], "% of a core", must=None, better="lower")
            figure("the poller: memory", [process.memory_info().rss / 1e6], "MB", must=None, better="lower")
        finally:
            child.stop(5)


async def polls(home: Home) -> list[float]:
    """CPU seconds of each of twenty polls over one connection; the first, which opens it, does not count."""
    seconds = []
    async with open_client() as client:
        for _ in range(21):
            with home.ledger.read() as db:
                (polled,) = list_sources(db)
            start = process_time()
            outcome = await poll_source(home, client, polled, wall_clock)
            seconds.append(process_time() - start)
            assert outcome.trouble is None
    return seconds[1:]


def polled_at(home: Home) -> datetime:
    """When the source was polled last."""
    with home.ledger.read() as db:
        (polled,) = list_sources(db)
    return polled.state.polled_at or NOW


if __name__ == "__main__":
    main()
