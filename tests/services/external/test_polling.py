"""Polls from end to end: the simulated feed over HTTP, the ledger behind it, and failures between them."""

import asyncio
import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import col, select

from countersign.deployments.feed import simulated_feed
from countersign.domain.external.feed_simulation import SimulatedFeed
from countersign.models.tables.external import ExternalSignal, PollState, Source
from countersign.services.external.polling import due_sources, poll_round
from countersign.services.external.sources import list_sources, pause_source
from countersign.services.notifications.notifications import open_alerts
from countersign.services.watchdog.external_checks import feed_problems
from countersign.sources.external.cqs import CqsFeed
from countersign.store.home import Home
from countersign.store.ledger.ledger import Ledger
from tests.support import listed, processes
from tests.support.feeds import ITEM, KEY, NOON, enter, envelope, raw_feed, reply
from tests.support.homes import Databases, disposed, make_home
from tests.support.services import Reply, serve
from tests.support.waiting import PATIENCE_SECONDS

FEED = SimulatedFeed(premium_keys=frozenset({KEY}))
MINUTE = timedelta(minutes=1)


@pytest.fixture
def home(tmp_path: Path, databases: Databases) -> Any:
    """A home on SQLite, with the simulated clock."""
    with disposed(databases.ledger("sqlite")) as url:
        yield make_home(tmp_path / "home", url)


class Time:
    """The time of a test: it moves when a test moves it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def ids(home: Home, source: int) -> list[str]:
    with home.ledger.read() as db:
        query = select(ExternalSignal.external_id).where(ExternalSignal.source_id == source)
        return list(db.exec(query.where(ExternalSignal.revision == 1).order_by(col(ExternalSignal.external_id))))


def test_polls_bring_every_signal_once(home: Home) -> None:
    time = Time()
    revised = 0
    with simulated_feed(FEED, time) as url:
        vip = enter(home, "vip", url, key=KEY, every_seconds=60)
        scalps = enter(home, "scalps", f"{url}/api/v1", type="SCALPING")
        seen: dict[int, set[str]] = {vip: set(), scalps: set()}
        for _ in range(25):
            # Asked each minute and a minute back: nothing is open for less than four.
            for source, form in ((vip, {"api_key": KEY}), (scalps, {"api_key": "FREE", "type": "SCALPING"})):
                seen[source] |= {each["id"] for each in FEED.answer(form | {"interval": "2"}, time())["signals"]}
            revised += sum(each.stored.revised for each in poll_round(home, time))
            time.now += MINUTE
    for source, expected in seen.items():
        assert ids(home, source) == sorted(expected)
        assert len(expected) > 5
    assert revised > 0


def test_the_outage_of_a_feed_is_asked_for_afterwards(home: Home) -> None:
    time, feed = Time(), {"is": FEED}
    with simulated_feed(lambda: feed["is"], time) as url:
        source = enter(home, "vip", url, key=KEY, every_seconds=60)
        poll_round(home, time)
        feed["is"] = replace(FEED, failing=4)
        for _ in range(9):
            time.now += MINUTE
            assert {each.trouble for each in poll_round(home, time)} <= {"vip: error 4, Unable to validate API Key"}
        feed["is"] = FEED
        time.now = NOON + 17 * MINUTE  # the last failure, at 9, was the fifth: eight minutes' wait
        wanted = {each["id"] for each in FEED.answer({"api_key": KEY, "interval": "17"}, time())["signals"]}
        assert [each.trouble for each in poll_round(home, time)] == [None]
    assert wanted <= set(ids(home, source))
    with home.ledger.read() as db:
        assert list_sources(db)[0].gap_since is None


def test_one_sources_trouble_delays_no_other(home: Home) -> None:
    time, asked = Time(), threading.Event()

    def hangs_until_the_other_is_done(_request: bytes) -> bytes:
        assert asked.wait(PATIENCE_SECONDS)
        return reply(b"")

    def answers(_request: bytes) -> bytes:
        return reply(envelope(ITEM))

    with raw_feed(hangs_until_the_other_is_done) as slow, raw_feed(answers) as quick:
        enter(home, "a-slow", slow)
        good = enter(home, "b-quick", quick)
        thread = threading.Thread(target=poll_round, args=(home, time))
        thread.start()
        while not ids(home, good):
            assert thread.is_alive()
            thread.join(0.01)
        asked.set()
        thread.join(PATIENCE_SECONDS)
    with home.ledger.read() as db:
        assert [each.state.failures for each in list_sources(db)] == [1, 0]


def test_an_error_that_nobody_thought_of_is_its_sources_own(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    time = Time()
    with simulated_feed(FEED, time) as url:
        odd = enter(home, "a-odd", f"{url}/odd", key=KEY)
        good = enter(home, "b-good", url, key=KEY)
        fetch = CqsFeed.fetch

        async def odd_fetch(feed: CqsFeed, client: httpx.AsyncClient, minutes: int) -> list[Any]:
            if "/odd/" in feed._url:
                raise KeyError(KEY)
            await asyncio.sleep(0)
            return await fetch(feed, client, minutes)

        monkeypatch.setattr(CqsFeed, "fetch", odd_fetch)
        outcomes = poll_round(home, time)
    assert [each.trouble for each in outcomes] == ["a-odd: unexpected KeyError", None]
    assert ids(home, good)
    with home.ledger.read() as db:
        state = db.get_one(PollState, odd)
    assert (state.failures, state.trouble, state.stopped_at) == (1, "a-odd: unexpected KeyError", None)
    assert state.due_at == NOON + timedelta(seconds=30)
    assert "in odd_fetch" in caplog.text
    assert KEY not in caplog.text


def test_when_to_ask_again_is_the_feeds_to_say(home: Home) -> None:
    def answers(_request: bytes) -> bytes:
        return reply(b"", "429 Too Many Requests", "retry-after: 777")

    with raw_feed(answers) as url:
        source = enter(home, "busy", url)
        poll_round(home, lambda: NOON)
    with home.ledger.read() as db:
        assert db.get_one(PollState, source).due_at == NOON + timedelta(seconds=777)
    assert due_sources(home, NOON + timedelta(seconds=776)) == []
    assert due_sources(home, NOON + timedelta(seconds=777)) != []


def test_stopped_sources_are_a_problem_and_asked_no_more_until_taken_up_again(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    time = Time()
    with simulated_feed(SimulatedFeed(), time) as url:
        enter(home, "bad-key", url, key=KEY)
        wrong = enter(home, "wrong-type", url)
        with home.ledger.write() as db:
            found = db.get_one(Source, wrong)
            found.settings = "nonsense"
            db.add(found)
        enter(home, "in-order", url)
        outcomes = poll_round(home, time)
        time.now += 30 * MINUTE
        with home.ledger.read() as db:
            told = sorted(matter.text for matter in open_alerts(db))
        assert [each.source.name for each in due_sources(home, time())] == ["in-order"]
        assert len(told) == 2
        assert told[0].startswith("source bad-key has stopped: bad-key: the key is bad: error 5, Invalid API Key; mend")
        kinds = [problem.kind for problem in feed_problems(home, NOON.date())]
        assert kinds == ["source stopped", "source not polled", "source stopped"]
        with home.ledger.write() as db:
            pause_source(db, "bad-key", time(), "operator", paused=False)
        assert {each.source.name for each in due_sources(home, time())} == {"bad-key", "in-order"}
    assert KEY not in repr(outcomes) + repr(told) + caplog.text


def test_a_paused_source_has_a_gap_and_no_polls(home: Home) -> None:
    time = Time()
    with simulated_feed(FEED, time) as url:
        enter(home, "feed", url)
        poll_round(home, time)
        with home.ledger.write() as db:
            pause_source(db, "feed", time(), "operator")
        time.now += 19 * MINUTE
        assert due_sources(home, time()) == []
        assert feed_problems(home, NOON.date()) == []
        time.now += 2 * MINUTE
        assert due_sources(home, time()) == []
    assert [problem.kind for problem in feed_problems(home, NOON.date())] == ["external gap"]


def test_the_watchdog_tells_of_fields_that_a_feed_does_not_have_until_it_has_them(home: Home) -> None:
    time, items = Time(), [listed.ITEM | {"targets": 105}]
    with serve(lambda _path, _query: Reply({"data": items})) as url:
        enter(home, "lists", url, every_seconds=60, now=time(), **listed.TERMS)

        def told(*answer: dict[str, Any]) -> list[str]:
            items[:] = answer
            assert [each.trouble for each in poll_round(home, time)] == [None]
            time.now += MINUTE
            found = [each for each in feed_problems(home, NOON.date()) if each.kind == "external fields missing"]
            assert all(each.warning for each in found)
            return [each.text.partition(":")[0] for each in found]

        none = "no item of lists's newest answer has target1, target2, target3"
        assert told(listed.ITEM | {"targets": 105}) == [none]
        assert told() == [none]
        assert told(listed.ITEM | {"targets": [105]}) == ["no item of lists's newest answer has target2, target3"]
        assert told(listed.ITEM | {"targets": 105}, listed.ITEM) == []
        assert told(listed.ITEM | {"targets": 105}) == [none]
        with home.ledger.write() as db:
            pause_source(db, "lists", time(), "operator")
        assert feed_problems(home, NOON.date()) == []


def test_the_watchdog_names_fields_that_cqs_leaves_out(home: Home) -> None:
    item = {name: value for name, value in ITEM.items() if name != "buy_end"}
    with raw_feed(lambda _: reply(envelope(item, item | {"id": 2}))) as url:
        enter(home, "feed", url)
        poll_round(home, lambda: NOON)
    (problem,) = [each for each in feed_problems(home, NOON.date()) if each.kind == "external fields missing"]
    assert problem.text.startswith("no item of feed's newest answer has buy_end: ")


def test_by_hand_a_source_is_asked_before_it_is_due_but_not_while_it_backs_off(home: Home) -> None:
    time = Time()
    with simulated_feed(SimulatedFeed(premium_keys=frozenset({KEY}), failing=6), time) as busy:
        with simulated_feed(FEED, time) as url:
            enter(home, "busy", busy)
            enter(home, "feed", url)
            assert len(poll_round(home, time)) == 2
            assert poll_round(home, time) == []
            again = poll_round(home, time, early=True)
        assert [each.source for each in again] == ["feed"]


def _poll_until_stuck(url: str, path: Path) -> None:
    """A poller with a poll that never ends: the transaction is open when it is killed."""
    from countersign.services.external import polling  # noqa: PLC0415

    store = polling.store_answer

    def store_and_hang(*arguments: Any) -> Any:
        store(*arguments)
        (path / "stuck").touch()
        threading.Event().wait()

    polling.store_answer = store_and_hang
    poll_round(Home(path, url, path / "lake", "simulated"), lambda: NOON)


def test_a_poller_killed_half_way_has_brought_nothing_and_the_next_brings_all(home: Home) -> None:
    with simulated_feed(FEED, lambda: NOON) as url:
        source = enter(home, "vip", url, key=KEY)
        with processes.running(_poll_until_stuck, home.database_url, home.path) as process:
            while not (home.path / "stuck").exists():
                assert process.is_alive()
                process.join(0.02)
            process.kill()
            process.join()
        assert ids(home, source) == []
        with home.ledger.read() as db:
            assert db.get_one(PollState, source).good_at is None
        (outcome,) = poll_round(home, lambda: NOON)
    assert outcome.stored.new == len(ids(home, source)) > 0


def _poll_now(url: str, path: Path) -> None:
    poll_round(Home(path, url, path / "lake", "simulated"), lambda: NOON)


def test_two_pollers_at_once_make_no_duplicates(home: Home) -> None:
    with simulated_feed(FEED, lambda: NOON) as url:
        source = enter(home, "vip", url, key=KEY)
        wanted = {each["id"] for each in FEED.answer({"api_key": KEY, "interval": "4"}, NOON)["signals"]}
        pollers = [processes.start(_poll_now, home.database_url, home.path) for _ in range(3)]
        assert processes.join(*pollers) == [0, 0, 0]
    assert ids(home, source) == sorted(wanted)
    with Ledger(home.database_url).read() as db:
        assert set(db.exec(select(ExternalSignal.revision))) == {1}


def test_times_of_a_stored_signal_are_utc(home: Home) -> None:
    with raw_feed(lambda _: reply(envelope(ITEM))) as url:
        enter(home, "feed", url)
        poll_round(home, lambda: NOON)
    with home.ledger.read() as db:
        found = db.exec(select(ExternalSignal)).one()
    assert (found.published_at, found.received_at) == (datetime(2026, 5, 24, 11, 58, 5, tzinfo=UTC), NOON)
