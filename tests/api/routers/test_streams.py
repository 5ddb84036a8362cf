"""The stream over HTTP: permission, events and their order, coming back, and readers that are let go."""

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import uvicorn

import countersign.services.publication.stream
from countersign.api.app import create_app
from countersign.services.accounts.accounts import disable_user
from countersign.store.home import Home
from tests.support.feeds import NOON, enter
from tests.support.serving import invite_code, join, logged_in
from tests.support.streaming import Listener, bring, dawdling, increasing, listening, numbers, streaming
from tests.support.waiting import wait_until


@pytest.fixture
def feed(desk: Home) -> int:
    """A source of external signals."""
    return enter(desk, "feed", "https://feed.example")


def test_external_signals_come_at_once_in_order(desk: Home, feed: int, me: dict[str, str]) -> None:
    with streaming(desk) as (url, _), listening(url, me) as mine:
        bring(desk, feed, 1, 2)
        bring(desk, feed, 3, direction="SHORT", coin="ETH")
        events = mine.take(3)
        assert numbers(events) == [1, 2, 3]
        assert {name: events[2].data[name] for name in ("time", "symbol", "signal", "model", "kind")} == {
            "time": 1779623885,  # date -u -d "2026-05-24 11:58:05" +%s
            "symbol": "ETH-USDT",
            "signal": -1,
            "model": "feed",
            "kind": "external",
        }
        assert (events[0].data["signal"], events[0].data["entry_low"], events[0].event) == (1, "94250.5", None)
        bring(desk, feed, 2, stop_loss="90000")
        (revised,) = mine.take(1)
        assert (revised.data["external_id"], revised.data["revision"]) == ("000002", 2)


def test_a_listener_without_a_key_is_refused(desk: Home, me: dict[str, str], web: httpx.Client) -> None:
    key = me["Authorization"].removeprefix("Bearer ")
    with streaming(desk) as (url, _):
        token = web.post("/auth/invite", json={"invite_code": invite_code(desk)}).json()["access_token"]
        for headers in ({}, {"x-api-key": "csk_wrong"}, {"Authorization": f"Bearer {token}"}):
            refused = Listener(url, headers)
            assert refused.code == 401
            assert refused.headers["www-authenticate"] == "Bearer"
            refused.close()
        with listening(url, {"x-api-key": key}) as mine:
            assert mine.headers["content-type"].startswith("text/event-stream")
            assert (mine.headers["cache-control"], mine.headers["x-accel-buffering"]) == ("no-store", "no")


def test_a_listener_with_filters_gets_only_matching_signals(desk: Home, feed: int, me: dict[str, str]) -> None:
    second = enter(desk, "second", "https://second.example")
    wanted: list[dict[str, Any]] = [{"source": "second"}, {"coin": "ETH"}, {"exchange": "okx"}, {"kind": "own"}, {}]
    with streaming(desk) as (url, _), ExitStack() as stack:
        mine = [stack.enter_context(listening(url, me, **query)) for query in wanted]
        bring(desk, feed, 1)
        bring(desk, second, 2)
        bring(desk, feed, 3, coin="ETH")
        bring(desk, feed, 4, exchange="okx")
        assert numbers(mine[4].take(4)) == [1, 2, 3, 4]
        assert [numbers(each.take(1)) for each in mine[:3]] == [[2], [3], [4]]
        faulty = Listener(url, me, kind="other")
        assert faulty.code == 422
        faulty.close()


def test_a_reader_that_comes_back_after_a_restart_or_to_another_process_misses_nothing(
    desk: Home, feed: int, me: dict[str, str]
) -> None:
    with streaming(desk) as (url, _), listening(url, me) as mine:
        bring(desk, feed, 1, 2, 3, 4)
        seen = mine.take(2)
    bring(desk, feed, 5, 6)
    with streaming(desk, page=2) as (first, _), streaming(desk) as (second, _):
        for url in (first, second):
            with listening(url, me, since=seen[-1].id) as mine:
                assert numbers(mine.take(4)) == [3, 4, 5, 6]
        with listening(first, me, since=seen[-1].id, coin="BTC") as one, listening(second, me) as two:
            bring(desk, feed, 7)
            (last,) = two.take(1)
            with listening(first, me, since=last.id) as three:
                bring(desk, feed, 8)
                assert numbers(one.take(6)) == [3, 4, 5, 6, 7, 8]
                assert numbers(two.take(1)) == numbers(three.take(1)) == [8]


def test_nothing_is_lost_or_doubled_where_catching_up_ends(desk: Home, feed: int, me: dict[str, str]) -> None:
    last = 80

    def write() -> None:
        for number in range(1, last + 1):
            bring(desk, feed, number)

    with streaming(desk, page=3) as (url, _), listening(url, me) as mine, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        events = []
        for size in (1, 9, 10, 20, 15, 15):
            events += mine.take(size)
            with listening(url, me, since=events[size // 2].id) as late:
                rest = late.take(last - numbers(events)[size // 2])
            assert numbers(rest) == list(range(numbers(events)[size // 2] + 1, last + 1))
            assert increasing(rest)
        events += mine.take(last - len(events))
        writing.result()
        assert numbers(events) == list(range(1, last + 1))
        assert increasing(events)


def test_a_store_that_does_not_answer_ends_the_catching_up_alone(desk: Home, feed: int, me: dict[str, str]) -> None:
    def rename(table: str, name: str) -> None:
        with desk.ledger.write() as db:
            db.execute(sa.text(f"ALTER TABLE {table} RENAME TO {name}"))

    with streaming(desk) as (url, _), listening(url, me) as mine:
        bring(desk, feed, 1)
        (seen,) = mine.take(1)
        rename("settlement", "away")
        refused = Listener(url, me, since=seen.id)
        assert (refused.code, refused.headers["retry-after"]) == (503, "1")
        refused.close()
        with streaming(desk) as (second, _), closing(Listener(second, me)) as other:
            assert [event.event for event in other.events()] == ["end"]
        rename("away", "settlement")
        bring(desk, feed, 2)
        assert numbers(mine.take(1)) == [2]


def test_an_id_that_is_none_is_refused(desk: Home, me: dict[str, str], web: httpx.Client) -> None:
    url = str(web.base_url).replace("/api/v1/", "/v1/signals")
    for since in ("7", "e1-s", "e1-s0.0.0x", "e9-s0.0.0", "e0-s1.0.0", "e-1-s0.0.0", "e1-s0.0.x"):
        answer = web.get(url, headers=me | {"Last-Event-ID": since})
        assert answer.status_code == 400, since
        assert "Last-Event-ID" in answer.json()["detail"]


def test_an_id_too_old_leaves_a_gap(desk: Home, feed: int, me: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(countersign.services.publication.stream, "MOST_EXTERNAL", 3)
    bring(desk, feed, *range(1, 9))
    with streaming(desk) as (url, _), listening(url, me, since="e2-s0.0.0") as mine:
        gap, *rest = mine.take(4)
        assert (gap.event, gap.id, gap.data["from"], gap.data["to"]) == ("gap", None, "e2-s0.0.0", "e5-s0.0.0")
        assert numbers(rest) == [6, 7, 8]
    with streaming(desk) as (url, _), listening(url, me, since="e5-s0.0.0") as mine:
        assert numbers(mine.take(3)) == [6, 7, 8]


def test_heartbeats_carry_the_place(desk: Home, feed: int, me: dict[str, str]) -> None:
    with streaming(desk, heartbeat_seconds=0.02) as (url, _), listening(url, me, coin="ETH") as mine:
        bring(desk, feed, 1, 2)
        beats = (block for block in mine.blocks() if block.comment == "heartbeat")
        assert next(beat.id for beat in beats if beat.id != "e0-s0.0.0") == "e2-s0.0.0"


def test_a_slow_reader_is_cut_off_and_slows_nobody(desk: Home, feed: int, me: dict[str, str]) -> None:
    everything = list(range(1, 2_001))
    with streaming(desk, send_bytes=8_192, page=50, queue=4, patience_seconds=0.2) as (url, hub):
        with dawdling(url, me) as slow, listening(url, me) as mine:
            for start in range(0, len(everything), 200):  # a full queue at a time
                some = everything[start : start + 200]
                bring(desk, feed, *some)
                assert numbers(mine.take(len(some))) == some
            bring(desk, feed, 2_001)
            assert numbers(mine.take(1)) == [2_001]
            text = b""
            while part := slow.recv(65_536):
                text += part
                if b"event: slow" in text and text.endswith(b"0\r\n\r\n"):
                    break
            wait_until(lambda: len(hub._clients) == 1)
        assert text.count(b"event: slow") == 1
        seen = [int(found) for found in re.findall(rb'"external_id":"(\d+)"', text)]
        assert seen == everything[: len(seen)]
        assert 0 < len(seen) < len(everything)
        last = re.findall(rb"id: (\S+)\n", text)[-1].decode()
        with listening(url, me, since=last) as again:
            assert numbers(again.take(2_001 - len(seen))) == list(range(len(seen) + 1, 2_002))


def test_a_reader_that_hangs_up_is_forgotten(desk: Home, me: dict[str, str]) -> None:
    with streaming(desk, streams_a_key=2) as (url, hub):
        with listening(url, me), listening(url, me):
            refused = Listener(url, me)
            assert (refused.code, refused.headers["retry-after"]) == (429, "5")
            refused.close()
        wait_until(lambda: not hub._clients)
        with ThreadPoolExecutor(6) as pool:
            rush = list(pool.map(lambda _: Listener(url, me, since="e0-s0.0.0"), range(6)))
        assert sorted(each.code for each in rush) == [200, 200, 429, 429, 429, 429]
        for each in rush:
            each.close()
        wait_until(lambda: hub._watch is not None and hub._watch.done())


def test_a_revoked_key_and_a_disabled_account_end_their_streams(
    desk: Home, feed: int, web: httpx.Client, me: dict[str, str], other: dict[str, str]
) -> None:
    third = join(desk, web)
    with streaming(desk, keys_seconds=0.02) as (url, _), ExitStack() as stack:
        mine, others, left = (stack.enter_context(listening(url, each)) for each in (me, other, third))
        (key,) = web.get("/billing/api-keys", headers=me).json()["api_keys"]
        owner = logged_in(desk, web, me)
        assert web.delete(f"/billing/api-keys/{key['id']}", headers=owner).status_code == 200
        with desk.ledger.write() as db:
            disable_user(db, web.get("/auth/me", headers=other).json()["nickname"], NOON)
        for each in (mine, others):
            assert [event.event for event in each.events()] == ["end"]
        bring(desk, feed, 1)
        assert numbers(left.take(1)) == [1]


def test_a_server_that_stops_ends_its_streams_first(desk: Home, me: dict[str, str]) -> None:
    # In this thread, the only one that hears signals.
    server = uvicorn.Server(uvicorn.Config(create_app(desk.path), port=0, log_level="warning", lifespan="on"))

    def listen() -> list[str | None]:
        wait_until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        with listening(f"http://127.0.0.1:{port}", me) as mine:
            os.kill(os.getpid(), signal.SIGINT)
            return [event.event for event in mine.events()]

    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(listen)
        with pytest.raises(KeyboardInterrupt):
            server.run()
        assert heard.result() == ["end"]
