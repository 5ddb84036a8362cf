"""External signals over HTTP: permissions, filters and cursor, and no key anywhere."""

import logging
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from countersign.domain.external.items import normalise
from countersign.services.accounts.accounts import grant_admin
from countersign.services.external.answers import Poll, store_answer, store_failure
from countersign.services.external.judge import judge_signals
from countersign.services.external.sources import list_sources
from countersign.store.home import Home
from tests.support.feeds import ITEM, KEY, NOON, enter
from tests.support.klines import bars, put

FEED = {"name": "feed", "url": "https://feed.example", "key": KEY, "type": "SCALPING"}
MAPPING = {"fields": {"id": "no"}, "constants": {"exchange": "venue"}, "key_param": "token"}


@pytest.fixture
def boss(desk: Home, web: httpx.Client, other: dict[str, str]) -> dict[str, str]:
    """The headers of an administrator."""
    nickname = web.get("/auth/me", headers=other).json()["nickname"]
    with desk.ledger.write() as db:
        grant_admin(db, nickname, NOON)
    return other


def test_sources_are_for_administrators(web: httpx.Client, me: dict[str, str], boss: dict[str, str]) -> None:
    calls: list[tuple[str, str, Any]] = [
        ("GET", "/external/sources", None),
        ("POST", "/external/sources", FEED),
        ("PATCH", "/external/sources/feed", {"paused": True}),
        ("DELETE", "/external/sources/feed", None),
        ("GET", "/external/sources/feed/quarantine", None),
    ]
    for method, path, body in calls:
        assert web.request(method, path, json=body).status_code == 401
        assert web.request(method, path, json=body, headers=me).status_code == 403
    for path in ("/external/signals", "/external/statistics", "/external/gaps"):
        assert web.get(path).status_code == 401
        assert web.get(path, headers=me).status_code == 200


def test_a_source_is_entered_changed_and_removed(desk: Home, web: httpx.Client, boss: dict[str, str]) -> None:
    made = web.post("/external/sources", json=FEED, headers=boss)
    assert made.status_code == 201, made.text
    shown = made.json()
    assert (shown["name"], shown["adapter"], shown["every_seconds"], shown["has_key"]) == ("feed", "cqs", 60, True)
    assert (shown["state"], shown["good_at"], shown["trouble"]) == ("polled", None, None)
    assert web.post("/external/sources", json=FEED, headers=boss).status_code == 409
    assert web.get("/external/sources", headers=boss).json() == {"sources": [shown]}
    assert shown["missing_fields"] == []
    with desk.ledger.write() as db:
        source = list_sources(db)[0].source.id
        store_answer(db, Poll(source, NOON, NOON, 60), normalise([]), ("stop_loss", "ask"))
    (listed,) = web.get("/external/sources", headers=boss).json()["sources"]
    assert listed["missing_fields"] == ["stop_loss", "ask"]
    paused = web.patch("/external/sources/feed", json={"paused": True}, headers=boss)
    assert paused.json()["state"] == "paused"
    assert web.patch("/external/sources/feed", json={"paused": False}, headers=boss).json()["state"] == "polled"
    gone = web.delete("/external/sources/feed", headers=boss)
    assert gone.json() == {"name": "feed", "removed": True}
    for method in ("PATCH", "DELETE"):
        body = {"paused": True} if method == "PATCH" else None
        assert web.request(method, "/external/sources/feed", json=body, headers=boss).status_code == 404
    assert web.get("/external/statistics", headers=boss).json()["sources"][0]["state"] == "removed"
    mapped = {"name": "mapped", "adapter": "generic_json", "url": "http://127.0.0.1:9", "mapping": MAPPING}
    assert web.post("/external/sources", json=mapped, headers=boss).status_code == 201
    for answer in (made, paused, gone):
        assert KEY not in answer.text


def test_a_source_that_cannot_be_written_leaves_its_key_in_no_log(
    desk: Home, web: httpx.Client, boss: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def fill(connection: Any, *_: Any) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # as many as there are

    event.listen(desk.ledger.engine, "checkout", fill)
    try:
        for n in range(100):
            made = web.post("/external/sources", json=FEED | {"name": f"feed-{n}"}, headers=boss)
            assert KEY not in made.text
            if made.status_code != 201:
                break
    finally:
        event.remove(desk.ledger.engine, "checkout", fill)
    assert made.status_code == 503
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "http://feed.example"}, "https"),
        ({"url": "https://u:hunter2@feed.example"}, "url"),
        ({"name": "A B"}, "name"),
        ({"type": "FOREVER"}, "type"),
        ({"every_seconds": 1}, "every_seconds"),
        ({"mapping": MAPPING}, "mapping"),
        ({"adapter": "generic_json", "mapping": MAPPING | {"items": "a..b"}}, "mapping.items"),
        ({"adapter": "rss"}, "adapter"),
        ({"key": "with spaces hunter2"}, "key"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_faulty_source_is_refused_by_its_field(
    web: httpx.Client, boss: dict[str, str], changes: dict[str, Any], words: str
) -> None:
    answer = web.post("/external/sources", json=FEED | changes, headers=boss)
    assert answer.status_code == 422
    assert words in answer.text
    assert KEY not in answer.text
    assert "hunter2" not in answer.text
    assert web.get("/external/sources", headers=boss).json() == {"sources": []}


def test_signals_are_filtered_and_paged_by_a_cursor(desk: Home, web: httpx.Client, me: dict[str, str]) -> None:
    source = enter(desk, "feed", "https://feed.example")
    with desk.ledger.write() as db:
        items = [ITEM | {"id": n, "direction": "LONG" if n % 2 else "SHORT"} for n in range(5)]
        store_answer(db, Poll(source, NOON, NOON, 60), normalise([*items, "unfit"]))
        late = NOON + timedelta(minutes=30)
        store_failure(db, Poll(source, late, late, 60), "feed: HTTP 500")

    def get(**query: Any) -> dict[str, Any]:
        answer = web.get("/external/signals", params=query, headers=me)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    first = get(limit=3)
    second = get(limit=3, cursor=first["next_cursor"])
    third = get(cursor=second["next_cursor"])
    assert [each["external_id"] for each in first["signals"] + second["signals"]] == ["0", "1", "2", "3", "4"]
    assert third == {"signals": [], "next_cursor": second["next_cursor"]}
    row = first["signals"][1]
    assert (row["source"], row["entry_low"], row["target3"]) == ("feed", "94250.5", None)
    assert row["published_at"] == "2026-05-24T11:58:05+00:00"
    assert [each["external_id"] for each in get(direction="LONG", source="feed", coin="BTC")["signals"]] == ["1", "3"]
    assert get(received_since="2026-05-24T12:00:01Z")["signals"] == []
    bad = web.get("/external/signals", params={"received_since": "2026-05-24T12:00:01"}, headers=me)
    assert bad.status_code == 422
    assert web.get("/external/gaps", headers=me).json() == {
        "gaps": [{"source": "feed", "started_at": "2026-05-24T12:00:00+00:00", "ended_at": None}]
    }
    (counts,) = web.get("/external/statistics", headers=me).json()["sources"]
    assert {name: counts[name] for name in ("polls", "failures", "new", "quarantined", "gaps", "state")} == {
        "polls": 2,
        "failures": 1,
        "new": 5,
        "quarantined": 1,
        "gaps": 1,
        "state": "polled",
    }
    assert (counts["outcomes"]["judged"], counts["outcomes"]["mean_r"]) == (0, None)
    put(desk, bars((94_300.0, 94_400.0, 94_300.0, 94_400.0), (94_000.0, 94_000.0, 93_000.0, 93_000.0)))
    judge_signals(desk, NOON)
    (judged,) = web.get("/external/statistics", headers=me).json()["sources"]
    record = judged["outcomes"]
    stopped = record["closed"]
    assert (record["judged"], record["mean_r"]) == (5, -1.0 if stopped else None)
    assert record["stop_rate"]["hits"] == record["stop_rate"]["of"] == stopped > 0


def test_an_unfit_item_is_listed_with_its_reason(desk: Home, web: httpx.Client, boss: dict[str, str]) -> None:
    source = enter(desk, "feed", "https://feed.example")
    with desk.ledger.write() as db:
        store_answer(db, Poll(source, NOON, NOON, 60), normalise([ITEM | {"buy_start": "-1"}]))
    (item,) = web.get("/external/sources/feed/quarantine", headers=boss).json()["items"]
    assert item["reason"] == 'buy_start: expected a positive number, got "-1"'
    assert web.get("/external/sources/none/quarantine", headers=boss).status_code == 404
