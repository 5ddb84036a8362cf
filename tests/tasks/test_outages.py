"""Outages of a feed from end to end, with the clock going on in steps of ten seconds: signals lost and kept."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from sqlmodel import select

from countersign.models.tables.external import ExternalSignal
from countersign.services.external.polling import due_sources, poll_all
from countersign.services.external.reader import read_gaps
from countersign.sources.external.feed_answers import open_client
from countersign.store.home import Home
from tests.support.feeds import ITEM, NOON, enter, envelope
from tests.support.homes import Databases, disposed, make_home

STEP, MINUTE = timedelta(seconds=10), timedelta(minutes=1)
REACH = 20 * MINUTE
# The poll at this time is the last good one before every outage: both cadences ask then.
GOOD = NOON + 3 * MINUTE
END = NOON + 39 * MINUTE
# A signal a minute; the last ones may not have been asked for yet.
PUBLISHED, LOOKED_AT = range(60), range(35)


@dataclass(frozen=True)
class Outage:
    """A feed that is away for so long; it goes `after` its last good poll."""

    cadence: int
    after: timedelta
    lasts: timedelta

    @property
    def name(self) -> str:
        return f"feed-{self.cadence}-{self.after.seconds}-{self.lasts.seconds}"

    @property
    def over(self) -> datetime:
        return GOOD + self.after + self.lasts

    def is_away(self, now: datetime) -> bool:
        return GOOD + self.after < now < self.over

    @property
    def unheard(self) -> timedelta:
        """How long it could not be heard at all: from its last good poll on."""
        return self.over - GOOD


OUTAGES = [Outage(cadence, 0 * MINUTE, minutes * MINUTE) for cadence in (60, 180) for minutes in (5, 20, 25)] + [
    Outage(cadence, timedelta(seconds=after), minutes * MINUTE)
    for cadence in (60, 180)
    for after in (cadence // 60 * 30, cadence - 10)
    for minutes in (5, 20 - cadence // 60, 20, 25)
]


def publish(now: datetime, minutes: int) -> list[dict[str, Any]]:
    """A signal every minute, open for ever."""
    moments = {n: NOON + n * MINUTE for n in PUBLISHED if now - minutes * MINUTE <= NOON + n * MINUTE <= now}
    return [ITEM | {"id": n, "timestamp": f"{moment:%Y-%m-%d %H:%M:%S}"} for n, moment in moments.items()]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Any:
    """All outages at once: for each its gaps, the numbers of its signals, and how often its feed was asked."""
    now, asked = NOON, dict.fromkeys((each.name for each in OUTAGES), 0)
    by_name = {each.name: each for each in OUTAGES}

    def answer(request: httpx.Request) -> httpx.Response:
        outage = by_name[request.url.path.split("/")[1]]
        asked[outage.name] += 1
        if outage.is_away(now):
            return httpx.Response(503)
        minutes = int(dict(parse_qsl(request.content.decode()))["interval"])
        return httpx.Response(200, content=envelope(*publish(now, minutes)))

    def time() -> datetime:
        return now

    async def play(home: Home) -> None:
        nonlocal now
        async with open_client(httpx.MockTransport(answer)) as client:
            while now <= END:
                await poll_all(home, client, due_sources(home, now), time)
                now += STEP

    with disposed(databases.ledger("sqlite")) as url:
        home = make_home(tmp_path_factory.mktemp("outages") / "home", url)
        numbers = {
            each: enter(home, each.name, f"https://feed.example/{each.name}", every_seconds=each.cadence)
            for each in OUTAGES
        }
        asyncio.run(play(home))
        with home.ledger.read() as db:
            rows = db.exec(select(ExternalSignal.source_id, ExternalSignal.external_id)).all()
            gaps = read_gaps(db, None, 1000, 0)
        yield {
            each: (
                [(row["started_at"], row["ended_at"]) for row in gaps if row["source"] == each.name],
                {int(external_id) for source, external_id in rows if source == number},
                asked[each.name],
            )
            for each, number in numbers.items()
        }


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda each: each.name)
def test_only_an_outage_longer_than_the_feed_reaches_back_leaves_a_gap(outage: Outage, played: Any) -> None:
    gaps, numbers, _ = played[outage]
    missed = {n for n in LOOKED_AT if n not in numbers}
    if outage.unheard <= REACH:
        assert (gaps, missed) == ([], set())
        return
    ((start, end),) = gaps
    assert start == GOOD
    assert missed == {n for n in LOOKED_AT if start < NOON + n * MINUTE < end}
    # The span that no question could have reached any more, and the time until the next question.
    wait = MINUTE if outage.unheard <= REACH + 5 * MINUTE else 10 * MINUTE
    assert timedelta(0) <= end - start - (outage.unheard - REACH) <= wait


def test_which_outages_leave_none_whenever_they_begin(played: Any) -> None:
    kept = {(each.cadence, each.lasts // MINUTE) for each in OUTAGES if not played[each][0]}
    lost = {(each.cadence, each.lasts // MINUTE) for each in OUTAGES if played[each][0]}
    assert kept - lost == {(60, 5), (60, 19), (180, 5), (180, 17)}
    assert lost - kept == {(60, 25), (180, 25)}
    # None where it begins with a good poll.
    assert kept & lost == {(60, 20), (180, 20)}


def test_a_feed_that_is_away_is_spared(played: Any) -> None:
    assert max(played[each][2] for each in OUTAGES if each.lasts == 25 * MINUTE) <= 40
