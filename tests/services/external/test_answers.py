"""Rows that polls leave in the ledger, on both databases: revisions, sightings, quarantine, gaps, state, tallies."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from countersign.domain.external.items import normalise
from countersign.models.errors import ConflictError, InputError
from countersign.models.feeds import FeedTerms
from countersign.models.tables.external import ExternalSignal, Gap, PollState, QuarantinedItem, Source
from countersign.models.tables.operations import AuditEntry
from countersign.services.external.answers import Poll, Stored, store_answer, store_failure
from countersign.services.external.reader import Wanted, read_gaps, read_signals, read_statistics, read_tallies
from countersign.services.external.sources import add_source, list_sources, pause_source, remove_source
from countersign.store.home import Home
from tests.support.feeds import ITEM, KEY, NOON, enter

FEED = "https://feed.example"
MINUTE = timedelta(minutes=1)


def poll(home: Home, source: int, *items: Any, at: datetime = NOON, asked: datetime | None = None) -> Stored:
    with home.ledger.write() as db:
        return store_answer(db, Poll(source, asked or at, at, 60), normalise(items))


def fail(home: Home, source: int, at: datetime, **how: Any) -> None:
    with home.ledger.write() as db:
        store_failure(db, Poll(source, at, at, 60), "feed: HTTP 500", **how)


def revisions(home: Home, external_id: str = ITEM["id"]) -> list[ExternalSignal]:
    with home.ledger.read() as db:
        query = select(ExternalSignal).where(ExternalSignal.external_id == external_id)
        return list(db.exec(query.order_by(col(ExternalSignal.revision))))


def state(home: Home, source: int) -> PollState:
    with home.ledger.read() as db:
        return db.get_one(PollState, source)


def gaps(home: Home) -> list[tuple[datetime, datetime | None]]:
    with home.ledger.read() as db:
        return [(row["started_at"], row["ended_at"]) for row in read_gaps(db, None, 10, 0)]


def test_a_changed_item_is_a_revision_and_a_known_one_is_not(home: Home) -> None:
    source = enter(home, "feed", FEED)
    edited = ITEM | {"stop_loss": "93000"}
    assert poll(home, source, ITEM, ITEM | {"id": 2}) == Stored(new=2)
    assert poll(home, source, ITEM, at=NOON + MINUTE) == Stored(known=1)
    assert poll(home, source, edited, at=NOON + 2 * MINUTE) == Stored(revised=1)
    assert poll(home, source, edited, at=NOON + 3 * MINUTE) == Stored(known=1)
    assert poll(home, source, ITEM, at=NOON + 4 * MINUTE) == Stored(revised=1)
    found = revisions(home)
    assert [(each.revision, each.stop_loss) for each in found] == [(1, "93100"), (2, "93000"), (3, "93100")]
    assert [each.received_at - NOON for each in found] == [0 * MINUTE, 2 * MINUTE, 4 * MINUTE]
    assert [each.last_seen_at - NOON for each in found] == [MINUTE, 3 * MINUTE, 4 * MINUTE]
    assert found[0].content_sha256 == found[2].content_sha256 != found[1].content_sha256
    assert poll(home, enter(home, "other", FEED), ITEM) == Stored(new=1)


def test_an_answer_that_comes_late_brings_no_old_revision_back(home: Home) -> None:
    source = enter(home, "feed", FEED)
    poll(home, source, ITEM)
    poll(home, source, ITEM | {"ask": "1"}, at=NOON + 2 * MINUTE)
    assert poll(home, source, ITEM, at=NOON + 3 * MINUTE, asked=NOON + MINUTE) == Stored(known=1)
    assert len(revisions(home)) == 2


def test_many_pollers_at_once_make_no_duplicates(home: Home) -> None:
    source = enter(home, "feed", FEED)
    items = [ITEM | {"id": n} for n in range(200)]
    with ThreadPoolExecutor(6) as pool:
        stored = list(pool.map(lambda _: poll(home, source, *items, "unfit"), range(6)))
    assert sum(each.new for each in stored) == 200
    assert sum(each.quarantined for each in stored) == 1
    with home.ledger.read() as db:
        assert len(db.exec(select(ExternalSignal.id)).all()) == 200
        assert read_statistics(db)[0]["polls"] == 6


def test_an_unfit_item_is_put_aside_once(home: Home) -> None:
    source = enter(home, "feed", FEED)
    bad = ITEM | {"buy_start": "1e400"}
    assert poll(home, source, bad, {}) == Stored(quarantined=2)
    assert poll(home, source, bad, ITEM, at=NOON + MINUTE) == Stored(new=1)
    with home.ledger.read() as db:
        first, second = db.exec(select(QuarantinedItem).order_by(col(QuarantinedItem.id))).all()
    assert (first.external_id, second.external_id) == (ITEM["id"], None)
    assert first.reason.startswith("buy_start: expected at most ")
    assert (first.last_seen_at, second.last_seen_at) == (NOON + MINUTE, NOON)


@pytest.mark.parametrize(("minutes", "gap"), [(5, None), (20, None), (25, 5)])
def test_an_outage_longer_than_the_window_leaves_one_gap(home: Home, minutes: int, gap: int | None) -> None:
    source = enter(home, "feed", FEED)
    poll(home, source, ITEM)
    for minute in range(1, minutes):
        fail(home, source, NOON + minute * MINUTE)
    assert gaps(home) == ([(NOON, None)] if gap else [])
    poll(home, source, ITEM, at=NOON + minutes * MINUTE)
    assert gaps(home) == ([(NOON, NOON + gap * MINUTE)] if gap else [])
    after = state(home, source)
    assert (after.failures, after.trouble, after.good_at) == (0, None, NOON + minutes * MINUTE)
    poll(home, source, ITEM, at=NOON + (minutes + 1) * MINUTE)
    assert len(gaps(home)) == (1 if gap else 0)


def test_a_poller_that_was_away_leaves_a_gap_too(home: Home) -> None:
    source = enter(home, "feed", FEED)
    poll(home, source, ITEM)
    poll(home, source, ITEM, at=NOON + 45 * MINUTE)
    assert gaps(home) == [(NOON, NOON + 25 * MINUTE)]


def test_failures_back_off_and_are_remembered(home: Home) -> None:
    source = enter(home, "feed", FEED)
    waits = []
    for _ in range(3):
        fail(home, source, NOON)
        waits.append((state(home, source).due_at - NOON).total_seconds())
    assert waits == [30, 60, 120]
    fail(home, source, NOON, retry_after_seconds=1000)
    assert state(home, source).due_at == NOON + timedelta(seconds=1000)
    assert state(home, source).trouble == "feed: HTTP 500"
    fail(home, source, NOON, stop=True)
    assert state(home, source).stopped_at == NOON
    poll(home, source, at=NOON + MINUTE)
    assert state(home, source).due_at == NOON + 2 * MINUTE
    with home.ledger.read() as db:
        (tally,) = read_tallies(db, NOON)
    assert (tally["polls"], tally["failures"], tally["hour"]) == (6, 5, NOON)


def test_sources_are_added_paused_removed_and_taken_up_again(home: Home) -> None:
    source = enter(home, "feed", FEED, key=KEY, type="SCALPING")
    enter(home, "other", "http://127.0.0.1:1", every_seconds=10)
    with home.ledger.read() as db:
        assert [each.source.every_seconds for each in list_sources(db)] == [60, 10]
    with pytest.raises(ConflictError, match="the source feed is there already"):
        enter(home, "feed", FEED)
    with pytest.raises(InputError, match="every_seconds: expected 10 to 86400, got 9"):
        enter(home, "third", FEED, every_seconds=9)
    poll(home, source, ITEM)
    fail(home, source, NOON, stop=True)
    with home.ledger.write() as db:
        assert pause_source(db, "feed", NOON, "operator").paused_at == NOON
        assert pause_source(db, "feed", NOON + MINUTE, "operator").paused_at == NOON
    with home.ledger.write() as db:
        assert pause_source(db, "feed", NOON, "operator", paused=False).paused_at is None
    assert state(home, source).stopped_at is None
    with home.ledger.write() as db:
        assert remove_source(db, "feed", NOON, "operator").key is None
    with home.ledger.write() as db, pytest.raises(InputError, match="name: expected the name of a source, got feed"):
        remove_source(db, "feed", NOON, "operator")
    assert enter(home, "feed", FEED, now=NOON + MINUTE) == source
    assert poll(home, source, ITEM, at=NOON + MINUTE) == Stored(known=1)
    with home.ledger.read() as db:
        entries = db.exec(select(AuditEntry)).all()
        assert KEY not in repr(entries) + repr(db.exec(select(Source)).all())
    assert [each.action for each in entries if each.subject == "feed"] == [
        "source added",
        "source paused",
        "source paused",
        "source resumed",
        "source removed",
        "source added",
    ]


def test_signals_are_read_with_filters_and_a_cursor(home: Home) -> None:
    first, second = enter(home, "first", FEED), enter(home, "second", FEED)
    poll(home, first, *(ITEM | {"id": n, "coin": "BTC" if n % 2 else "ETH"} for n in range(5)))
    poll(home, second, ITEM | {"direction": "SHORT"}, at=NOON + MINUTE)
    poll(home, first, ITEM | {"id": 0, "coin": "ETH", "ask": "1"}, at=NOON + 2 * MINUTE)
    with home.ledger.read() as db:

        def ids(after: int = 0, limit: int = 50, **wanted: Any) -> list[tuple[str, str, int]]:
            rows = read_signals(db, Wanted(**wanted), after, limit)
            return [(row["source"], row["external_id"], row["revision"]) for row in rows]

        newest = [("first", str(n), 1) for n in range(1, 5)] + [("second", ITEM["id"], 1), ("first", "0", 2)]
        assert ids() == newest
        assert ids(all_revisions=True) == [("first", "0", 1), *newest]
        assert ids(source="first", coin="ETH") == [("first", "2", 1), ("first", "4", 1), ("first", "0", 2)]
        assert ids(direction="SHORT") == [("second", ITEM["id"], 1)]
        assert ids(received_since=NOON + MINUTE) == newest[-2:]
        assert ids(source="nobody") == ids(exchange="x") == ids(currency="x") == ids(type="x") == []
        paged, cursor = [], 0
        while rows := read_signals(db, Wanted(), cursor, 2):
            paged += rows
            cursor = rows[-1]["id"]
        assert [row["external_id"] for row in paged] == [external_id for _, external_id, _ in newest]


def test_a_source_has_one_open_gap_at_most(home: Home) -> None:
    source = enter(home, "feed", FEED)
    poll(home, source)
    for minute in (21, 22, 40):
        fail(home, source, NOON + minute * MINUTE)
    with home.ledger.read() as db:
        assert len(db.exec(select(Gap)).all()) == 1
        assert list_sources(db)[0].gap_since == NOON


def test_fields_that_no_item_had_are_known_until_a_later_answer_has_them(home: Home) -> None:
    source = enter(home, "feed", FEED)

    def answer(missing: tuple[str, ...] | None, minute: int) -> list[str]:
        at = NOON + minute * MINUTE
        with home.ledger.write() as db:
            store_answer(db, Poll(source, at, NOON + 9 * MINUTE, 60), normalise([]), missing)
        return state(home, source).missing

    assert state(home, source).missing == []
    assert answer(("target1", "ask"), 1) == ["target1", "ask"]
    assert answer(None, 2) == ["target1", "ask"]
    fail(home, source, NOON + 3 * MINUTE)
    assert state(home, source).missing == ["target1", "ask"]
    assert answer(("ask",), 4) == ["ask"]
    # It was asked before the newest answer was, and came after it.
    assert answer((), 3) == ["ask"]
    assert answer((), 5) == []
    assert answer(("ask",), 6) == ["ask"]
    with home.ledger.write() as db:
        pause_source(db, "feed", NOON, "operator", paused=False)
    assert state(home, source).missing == ["ask"]
    with home.ledger.write() as db:
        remove_source(db, "feed", NOON, "operator")
    enter(home, "feed", FEED)
    assert state(home, source).missing == []


def test_a_source_is_entered_with_its_terms(home: Home) -> None:
    wanted = FeedTerms(name="feed", adapter="cqs", url=FEED, exchange="binance", currency="USDT", type="MID TERM")
    with home.ledger.write() as db:
        added = add_source(db, wanted, NOON, "operator")
        assert (added.exchange, added.currency, added.type, added.every_seconds) == ("binance", "USDT", "MID TERM", 180)
