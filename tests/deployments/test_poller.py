"""The poller as a process: it polls by itself, takes up sources entered while it runs, and survives a kill."""

import signal
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from sqlmodel import select

from countersign.deployments.feed import feed_part, simulated_feed
from countersign.deployments.poller import poller_part
from countersign.domain.external.feed_simulation import SAMPLE_SOURCE, SimulatedFeed
from countersign.models.tables.external import ExternalSignal, PollState
from countersign.services.external.sources import list_sources
from countersign.store.clock import wall_clock
from countersign.store.home import Home
from tests.support.feeds import KEY, enter
from tests.support.homes import Databases, make_home
from tests.support.waiting import PATIENCE_SECONDS, wait_until


@pytest.fixture
def home(tmp_path: Path, databases: Databases) -> Home:
    """A home on SQLite, with the simulated clock."""
    return make_home(tmp_path / "home", databases.ledger("sqlite"))


def polled(home: Home, name: str) -> bool:
    with home.ledger.read() as db:
        return any(each.source.name == name and each.state.good_at is not None for each in list_sources(db))


def test_the_poller_polls_old_and_new_sources_and_ends_on_a_signal(home: Home) -> None:
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
            child.stop(PATIENCE_SECONDS)
    assert child.exit_code == 0
    assert KEY not in part.log.read_text()


def test_killed_it_goes_on_where_it_was(home: Home) -> None:
    part = poller_part(home.path)
    good, bad = SimulatedFeed(premium_keys=frozenset({KEY})), SimulatedFeed(failing=6)
    with simulated_feed(good, wall_clock) as url, simulated_feed(bad, wall_clock) as other:
        source = enter(home, "feed", url, now=wall_clock(), key=KEY)
        other_source = enter(home, "refusing", other, now=wall_clock())
        first = part.start()
        try:
            wait_until(lambda: polled(home, "feed") and state(home, "refusing").failures, child=first)
            psutil.Process(first.identity.pid).send_signal(signal.SIGKILL)
        finally:
            first.stop(PATIENCE_SECONDS)
        known = ids_of(home, source)
        assert known
        with home.ledger.write() as db:  # as if the time of the one had come, and that of the other had not
            db.get_one(PollState, source).due_at = wall_clock()
            db.get_one(PollState, other_source).due_at = wall_clock() + timedelta(days=1)
        before, refused = state(home, "feed"), state(home, "refusing")
        second = part.start()
        try:
            wait_until(lambda: state(home, "feed").polled_at != before.polled_at, child=second)
        finally:
            second.stop(PATIENCE_SECONDS)
    after = ids_of(home, source)
    assert len(after) == len(set(after))
    assert set(known) <= set(after)
    assert (refused.failures > 0, state(home, "refusing")) == (True, refused)


def state(home: Home, name: str) -> PollState:
    with home.ledger.read() as db:
        return next(each.state for each in list_sources(db) if each.source.name == name)


def ids_of(home: Home, source: int) -> list[str]:
    with home.ledger.read() as db:
        return list(db.exec(select(ExternalSignal.external_id).where(ExternalSignal.source_id == source)))


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
        poller.stop(PATIENCE_SECONDS)
        child.stop(PATIENCE_SECONDS)
    assert (poller.exit_code, child.exit_code) == (0, 0)
