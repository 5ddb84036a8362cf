"""Connections that mean harm: endless heads, slow ones, tiny chunks, requests ahead of answers, too many of them."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import countersign.api.requests.protocol
from countersign.api.requests.half_open import HalfOpen
from countersign.api.requests.protocol import GuardedProtocol
from countersign.store.home import Home
from tests.support.serving import join, serving
from tests.support.waiting import PATIENCE_SECONDS, wait_until

KIBIBYTE = 1024
HEALTH = b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n"
DOCUMENT = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class Hasty(GuardedProtocol):
    """The same with short times."""

    head_seconds = 0.2
    rest_seconds = 0.2


class Impatient(GuardedProtocol):
    """The same for clients that do not read."""

    taking_seconds = 0.2


@contextmanager
def line_to(url: str) -> Iterator[socket.socket]:
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 0), timeout=PATIENCE_SECONDS) as line:
        yield line


def until_closed(line: socket.socket) -> bytes:
    """Read all that comes until the server closes; a reset is an end too."""
    answer = b""
    try:
        while some := line.recv(65_536):
            answer += some
    except ConnectionResetError:
        pass
    return answer


def pour(line: socket.socket, piece: bytes, times: int) -> bool:
    """Send a piece again and again; False once the server has had enough."""
    try:
        for _ in range(times):
            line.sendall(piece)
    except OSError:
        return False
    return True


@pytest.fixture
def url(desk: Home) -> Iterator[str]:
    """The address of the api of `desk`."""
    with serving(desk) as address:
        yield address


@pytest.mark.parametrize(
    ("begin", "more", "code"),
    [
        (HEALTH + b"x: ", b"a" * 4_096, 431),
        (HEALTH + b"x", b"a" * 4_096, 431),
        (HEALTH, b"a: b\r\n" * 1_000, 431),
        (b"GET /", b"a" * 4_096, 431),
        (b"", b"\r\n" * 2_048, 431),
        (CHUNKED, b"1\r\na\r\n" * 1_000, 400),
        (CHUNKED + b"1;", b"a" * 4_096, 400),
        (CHUNKED + b"1\r\na\r\n0\r\n", b"a: b\r\n" * 1_000, 400),
    ],
    ids=["value", "name", "headers", "address", "empty lines", "tiny chunks", "chunk extension", "trailers"],
)
def test_a_request_without_an_end_is_cut_off(url: str, begin: bytes, more: bytes, code: int) -> None:
    with line_to(url) as line:
        line.sendall(begin)
        pour(line, more, 400)
        answer = until_closed(line)
    # An app that has begun to read the body is not talked over: it is cut off without a word.
    assert answer.startswith(b"HTTP/1.1 %d " % code) or (code == 400 and answer == b"")
    with line_to(url) as line:
        line.sendall(HEALTH + b"\r\n")
        assert line.recv(65_536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (HEALTH + b"x: " + b"a" * 60 * KIBIBYTE + b"\r\n\r\n", 200),
        (HEALTH + b"x: " + b"a" * 64 * KIBIBYTE + b"\r\n\r\n", 431),
        (HEALTH + b"a: b\r\n" * 199 + b"\r\n", 200),
        (HEALTH + b"a: b\r\n" * 200 + b"\r\n", 431),
        (b"GET /api/v1/nowhere" + b"a" * 8_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET /api/v1/nowhere" + b"a" * 8_192 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"\0\r\n\r\n", 400),
    ],
)
def test_a_whole_head_is_bounded_too(url: str, head: bytes, code: int) -> None:
    with line_to(url) as line:
        line.sendall(head)
        answer = line.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 %d " % code)
        if code not in {200, 404}:
            assert b"connection: close" in answer
            assert b'{"detail":"' in answer + until_closed(line)


@pytest.mark.parametrize(
    ("begun", "words"),
    [
        (b"", b""),
        (b"\r\n", b""),
        (b"G", b"the head of the request did not arrive within 0.2 s"),
        (HEALTH + b"x: y", b"the head of the request did not arrive within 0.2 s"),
        (HEALTH + b"\r\n" + HEALTH, b"the head of the request did not arrive within 0.2 s"),
    ],
    ids=["nothing", "an empty line", "a letter", "half a head", "half a head after a whole one"],
)
def test_a_head_that_does_not_arrive_is_given_up(desk: Home, begun: bytes, words: bytes) -> None:
    with serving(desk, protocol=Hasty) as url, line_to(url) as line:
        line.sendall(begun)
        answer = until_closed(line)
    assert (b"HTTP/1.1 408 " in answer) == bool(words)
    assert words in answer


def test_a_body_whose_answer_is_given_does_not_hold_the_connection(desk: Home) -> None:
    with serving(desk, protocol=Hasty) as url, line_to(url) as line:
        line.sendall(HEALTH + b"Content-Length: 1000000\r\n\r\nx")
        assert until_closed(line).startswith(b"HTTP/1.1 200 ")


def test_a_request_that_is_answered_late_and_a_stream_keep_their_connection(
    desk: Home, me: dict[str, str], web: httpx.Client
) -> None:
    """The times are those of requests that have not come, not of answers."""
    with serving(desk, protocol=Hasty) as url, line_to(url) as line, line_to(url) as other:
        head = f"GET /v1/signals HTTP/1.1\r\nHost: x\r\nAuthorization: {me['Authorization']}\r\n\r\n"
        line.sendall(head.encode())
        assert line.recv(65_536).startswith(b"HTTP/1.1 200 ")
        # Longer than all the times: the other one is given up meanwhile, from beginning to end.
        other.sendall(b"G")
        assert until_closed(other)
        line.setblocking(False)
        with pytest.raises(BlockingIOError):
            while line.recv(65_536):
                pass


def test_requests_ahead_of_answers_are_answered_in_order_and_bounded(url: str) -> None:
    last = HEALTH + b"Connection: close\r\n\r\n"
    with line_to(url) as line:
        line.sendall((HEALTH + b"\r\n") * 5 + last)
        assert until_closed(line).count(b"HTTP/1.1 200 ") == 6
    with line_to(url) as line:
        pour(line, (HEALTH + b"\r\n") * 1_000, 100)
        assert until_closed(line).count(b"HTTP/1.1 200 ") < 1_000


def test_an_upgrade_to_websockets_is_an_ordinary_request(url: str) -> None:
    with line_to(url) as line:
        line.sendall(HEALTH + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n")
        assert line.recv(65_536).startswith(b"HTTP/1.1 200 ")


@contextmanager
def held_open(url: str, addresses: list[str], each: int) -> Iterator[list[socket.socket]]:
    """Hold connections with half a head open, from several addresses of this machine."""
    target = httpx.URL(url)
    with ExitStack() as stack:
        lines = []
        for address in addresses:
            for _ in range(each):
                made = socket.create_connection((target.host, target.port or 0), PATIENCE_SECONDS, (address, 0))
                lines.append(stack.enter_context(made))
                made.sendall(HEALTH)
        yield lines


def test_an_address_has_so_many_half_open_and_its_oldest_give_way(desk: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    tables: list[HalfOpen] = []

    def make() -> HalfOpen:
        tables.append(HalfOpen(of_an_address=5))
        return tables[-1]

    monkeypatch.setattr(countersign.api.requests.protocol, "HalfOpen", make)
    with serving(desk) as url, held_open(url, ["127.0.0.2", "127.0.0.3"], 8) as lines:
        of_one, of_other = lines[:8], lines[8:]
        for line in (*of_one[:3], *of_other[:3]):
            assert until_closed(line) == b""
        for line in (*of_one[3:], *of_other[3:]):
            line.sendall(b"\r\n")
            assert line.recv(65_536).startswith(b"HTTP/1.1 200 ")


@contextmanager
def unread(url: str, address: str, count: int) -> Iterator[list[socket.socket]]:
    """Hold connections that ask for more than the buffers between hold, and read nothing."""
    target = httpx.URL(url)
    with ExitStack() as stack:
        lines = []
        for _ in range(count):
            made = socket.create_connection((target.host, target.port or 0), PATIENCE_SECONDS, (address, 0))
            lines.append(stack.enter_context(made))
            made.sendall(DOCUMENT * 8)
            made.recv(1)
        yield lines


def test_an_address_has_so_many_that_it_does_not_read_and_its_oldest_give_way(
    desk: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables: list[HalfOpen] = []

    def make() -> HalfOpen:
        tables.append(HalfOpen(of_an_address=5))
        return tables[-1]

    monkeypatch.setattr(countersign.api.requests.protocol, "HalfOpen", make)

    def held() -> int:
        return sum(len(table._all) for table in tables)

    with serving(desk, send_bytes=65_536) as url:
        with unread(url, "127.0.0.2", 5) as lines:
            wait_until(lambda: held() == 5)
            with unread(url, "127.0.0.2", 3):
                ended = [len(until_closed(line)) for line in lines[:3]]
                assert held() <= 5
            # What the others asked for is all there for them, once they read.
            for line in lines[3:]:
                line.sendall(HEALTH + b"Connection: close\r\n\r\n")
            whole = [len(until_closed(line)) for line in lines[3:]]
        assert max(ended) < min(whole)
        assert min(whole) > 8 * 250_000
        wait_until(lambda: held() == 0)


def test_a_client_that_takes_nothing_of_its_answer_is_ended(desk: Home) -> None:
    with serving(desk, send_bytes=65_536, protocol=Impatient) as url, unread(url, "127.0.0.1", 3) as lines:
        wait_until(lambda: not any(table._all for table in countersign.api.requests.protocol._half_open.values()))
        for line in lines:
            assert len(until_closed(line)) < 8 * 250_000


def test_a_proxy_of_ours_may_hold_as_many_as_it_likes(desk: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_TRUSTED_PROXIES", '["127.0.0.2"]')
    monkeypatch.setattr(countersign.api.requests.protocol, "HalfOpen", partial(HalfOpen, of_an_address=5))
    with serving(desk) as url, held_open(url, ["127.0.0.2"], 8) as lines:
        for line in lines:
            line.sendall(b"\r\n")
            assert line.recv(65_536).startswith(b"HTTP/1.1 200 ")


class Connection:
    """One that notes its end."""

    ended = False

    def make_room(self) -> None:
        self.ended = True


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 7), st.sampled_from(["a", "b", None])), max_size=60))
def test_half_open_connections_are_bounded_under_any_arrivals(steps: list[tuple[bool, int, Any]]) -> None:
    """Beside a list of all that is open, oldest first."""
    table, known = HalfOpen(of_an_address=2, altogether=4), [Connection() for _ in range(8)]
    listed: list[tuple[Connection, Any]] = []
    for comes, n, address in steps:
        one = known[n]
        if not comes:
            table.discard(one)
            listed = [each for each in listed if each[0] is not one]
            continue
        if one in [each[0] for each in listed]:
            continue
        one.ended = False
        table.add(one, address)
        listed.append((one, address))
        theirs = [each for each in listed if each[1] == address]
        if address is not None and len(theirs) > 2:
            listed.remove(theirs[0])
        if len(listed) > 4:
            listed.pop(0)
        assert not any(each.ended for each, _ in listed)
        assert list(table._all) == [each for each, _ in listed]


def test_a_home_serves_on_while_it_is_held_open(desk: Home, url: str) -> None:
    with held_open(url, [f"127.0.0.{n}" for n in range(2, 6)], 50) as lines:
        with httpx.Client(base_url=f"{url}/api/v1", timeout=PATIENCE_SECONDS) as web:
            assert join(desk, web)
        assert len(lines) == 200
    wait_until(lambda: not any(len(table._all) > 0 for table in countersign.api.requests.protocol._half_open.values()))
