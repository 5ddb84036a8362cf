"""The gate that every request passes: size and time of a body, rate limits, headers, and a clock that steps back."""

import json
import socket
import threading
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import pytest

import countersign.api.requests.request_guard
from countersign.api.requests.limits import Buckets
from countersign.api.requests.request_guard import Arrivals
from countersign.settings import load_settings
from countersign.store.home import Home
from tests.api.conftest import NINE
from tests.support.serving import browsing, join, open_one
from tests.support.waiting import PATIENCE_SECONDS

MEBIBYTE = 1024 * 1024
JSON = {"Content-Type": "application/json"}


def test_a_body_over_32_mebibytes_is_refused_however_it_comes(
    desk: Home, web: httpx.Client, me: dict[str, str]
) -> None:
    def chunks() -> Any:
        for _ in range(40):
            yield b" " * MEBIBYTE

    for content in (b" " * 40 * MEBIBYTE, chunks()):
        answer = web.post("/strategies", content=content, headers=me | JSON)
        assert (answer.status_code, answer.json()) == (413, {"detail": "the body is larger than 32 MiB"})
    assert web.get("/auth/me", headers=me).status_code == 200


def test_a_slow_body_is_given_up(desk: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(countersign.api.requests.request_guard.RequestGuard.__init__, "__defaults__", (0.2,))
    with browsing(desk) as web:
        url = web.base_url
        with socket.create_connection((url.host, url.port or 0), timeout=PATIENCE_SECONDS) as line:
            line.sendall(b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
            line.sendall(b"Content-Length: 100\r\n\r\n{")
            answer = line.recv(65536).decode()
    assert answer.startswith("HTTP/1.1 408 ")
    assert '{"detail":"the body did not arrive within 0.2 s"}' in answer


@pytest.mark.parametrize(("price", "hours", "minutes"), [("open", 0, 15), ("close", 6, 0)])
@pytest.mark.parametrize("margin", [timedelta(microseconds=1), timedelta(0), timedelta(seconds=0.7)])
def test_a_signal_is_received_when_its_last_byte_has_come(
    desk: Home, web: httpx.Client, me: dict[str, str], price: str, hours: int, minutes: int, margin: timedelta
) -> None:
    """All but the last byte comes a second before the deadline, and the last one just before it, at it, or after it."""
    open_one(web, me, "slow", execution_price=price)
    deadline = NINE + timedelta(hours=hours, minutes=minutes)
    in_time = margin == timedelta(microseconds=1)
    last = deadline - margin if in_time else deadline + margin
    body = b'{"trade_date": "2025-01-02", "signals": [{"symbol": "600519.SH", "weight": 1}]}'
    head = f"POST /api/v1/strategies/slow/signals HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    head += f"Content-Type: application/json\r\nConnection: close\r\nAuthorization: {me['Authorization']}\r\n\r\n"
    desk.clock.set(deadline - timedelta(seconds=1))
    arrived = threading.Event()
    read_clock = Arrivals.__call__

    def noting(self: Arrivals) -> Any:
        found = read_clock(self)  # reads the clock, which moves as soon as the test goes on
        arrived.set()
        return found

    address = (web.base_url.host, web.base_url.port or 0)
    with pytest.MonkeyPatch.context() as patch, socket.create_connection(address, timeout=PATIENCE_SECONDS) as line:
        patch.setattr(Arrivals, "__call__", noting)
        line.sendall(head.encode() + body[:-1])
        assert arrived.wait(PATIENCE_SECONDS)
        desk.clock.set(last)
        line.sendall(body[-1:])
        answer = b"".join(iter(partial(line.recv, 65536), b"")).decode()
    if in_time:
        assert answer.startswith("HTTP/1.1 201 ")
        assert json.loads(answer.partition("\r\n\r\n")[2])["submitted_at"] == last.isoformat()
    else:
        assert answer.startswith("HTTP/1.1 400 ")
        assert f"the last byte came at {last:%F %T.%f} UTC" in answer
        assert web.get("/strategies/slow/signals", headers=me).json() == {"signals": []}


def test_a_system_clock_that_steps_back_opens_no_deadline_again() -> None:
    times = [NINE, NINE + timedelta(seconds=2), NINE - timedelta(hours=1), NINE + timedelta(seconds=3)]
    arrivals = Arrivals(iter(times).__next__, may_go_back=False)
    assert [arrivals() for _ in times] == [times[0], times[1], times[1], times[3]]
    simulated = Arrivals(iter(times).__next__, may_go_back=True)
    assert [simulated() for _ in times] == times


def test_buckets_refill_evenly() -> None:
    now = [0.0]
    buckets = Buckets(60, lambda: now[0])
    assert [buckets.wait_seconds("a") for _ in range(60)] == [0.0] * 60
    assert buckets.wait_seconds("a") == 1.0
    assert buckets.wait_seconds("b") == 0.0
    now[0] = 0.5
    assert buckets.wait_seconds("a") == 1.0
    now[0] = 2.0
    assert [buckets.wait_seconds("a") for _ in range(3)] == [0.0, 0.0, 1.0]


def test_keys_and_addresses_are_limited_each_by_itself(desk: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_RATE_LIMIT", "8")
    load_settings.cache_clear()
    with browsing(desk) as web:
        mine = join(desk, web)  # two requests of this address
        assert [web.get("/auth/me", headers=mine).status_code for _ in range(9)] == [200] * 9  # the first one too
        refused = web.get("/auth/me", headers=mine)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["detail"].startswith("too many requests")
        assert refused.headers["x-content-type-options"] == "nosniff"
        # Somebody who tries out keys is limited by the address.
        codes = [web.get("/auth/me", headers={"x-api-key": f"csk_{n}"}).status_code for n in range(7)]
        assert codes == [401] * 5 + [429] * 2
        assert web.get("/health").status_code == 200


def test_every_answer_closes_the_doors(web: httpx.Client, me: dict[str, str]) -> None:
    for answer in (web.get("/auth/me", headers=me), web.get("/auth/me"), web.get("/nowhere"), web.put("/health")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert isinstance(answer.json().get("detail", ""), str)
    asking = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}
    for method in ("GET", "OPTIONS"):
        answer = web.request(method, "/health", headers=asking)
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("content", "headers", "code"),
    [
        (b"{", JSON, 422),
        (b"", JSON, 422),
        (b"null", JSON, 422),
        (b"[]", JSON, 422),
        (b"\xff\xfe", JSON, 422),
        (b"[" * 100_000, JSON, 400),
        (b'{"name": ' + b"9" * 5_000 + b"}", JSON, 400),
        (b'{"name": "\\ud800"}', JSON, 422),
        (b'{"name": "x"}', {"Content-Type": "text/plain"}, 422),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(
    web: httpx.Client, me: dict[str, str], content: bytes, headers: Any, code: int
) -> None:
    answer = web.post("/factors", content=content, headers=me | headers)
    assert answer.status_code == code, answer.text
    assert set(answer.json()) == {"detail"}
