"""The poller as a process: it polls by itself, takes up what is entered while it runs, and survives a kill."""

import signal
from pathlib import Path

import psutil
import pytest
from sqlmodel import func, select

from deployments.feed import feed_part, simulated_feed
from deployments.poller import poller_part
from domain.feed_simulation import SAMPLE_SOURCE, SimulatedFeed
from models.external import ExternalSignal
from store.clock import wall_clock
from store.home import Home
from store.sources import list_sources
from tests.support.feeds import KEY, enter
from tests.support.homes import Databases, make_home
from tests.support.waiting import wait_until


@pytest.fixture
def home(tmp_path: Path, databases: Databases) -> Home:
    return make_home(tmp_path / "home", databases.ledger("sqlite"))


def polled(home: Home, name: str) -> bool:
    with home.ledger.read() as db:
        return any(each.source.name == name and each.state.good_at is not None for each in list_sources(db))


def test_it_polls_what_is_there_and_what_comes_and_ends_when_told(home: Home) -> None:
    part = poller_part(home.path)
    with simulated_feed(SimulatedFeed(premium_keys=frozenset({KEY})), wall_clock) as url:
        enter(home, "first", url, now=wall_clock(), key=KEY)
        child = part.start()
        try:
            wait_until(lambda: polled(home, "first"), child=child)
            enter(home, "second", url, now=wall_clock())
            wait_until(lambda: polled(home, "second"), child=child)
            process = psutil.Process(child.identity.pid)
            assert not any("prefect" in mapped.path for mapped in process.memory_maps())
        finally:
            child.stop(part.patience_seconds)
    assert child.exit_code == 0
    assert KEY not in part.log.read_text()


def test_killed_it_goes_on_where_it_was(home: Home) -> None:
    part = poller_part(home.path)
    with simulated_feed(SimulatedFeed(premium_keys=frozenset({KEY})), wall_clock) as url:
        source = enter(home, "feed", url, now=wall_clock(), key=KEY)
        child = part.start()
        try:
            wait_until(lambda: polled(home, "feed"), child=child)
            psutil.Process(child.identity.pid).send_signal(signal.SIGKILL)
        finally:
            child.stop(part.patience_seconds)
    with home.ledger.read() as db:
        count = db.exec(select(func.count()).where(ExternalSignal.source_id == source)).one()
        (found,) = list_sources(db)
    assert count >= 0
    assert found.state.good_at is not None
    assert found.state.due_at > found.state.good_at


@pytest.mark.slow
def test_only_a_sample_home_has_a_feed_of_its_own(home: Home) -> None:
    assert feed_part(home) is None
    enter(home, SAMPLE_SOURCE, "http://127.0.0.1", now=wall_clock())
    part = feed_part(home)
    assert part
    child = part.start()
    wait_until(part.ready, child=child)
    poller = poller_part(home.path).start()
    try:
        with home.ledger.read() as db:
            assert list_sources(db)[0].source.url == f"http://127.0.0.1:{part.arguments[1]}"
        wait_until(lambda: polled(home, SAMPLE_SOURCE), child=poller)
    finally:
        poller.stop(5)
        child.stop(5)
