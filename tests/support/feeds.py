"""Feeds that misbehave, on the loopback: their answers are written byte by byte. The well-behaved one is simulated."""

import asyncio
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from countersign.models.feeds import FeedTerms
from countersign.services.external.sources import add_source
from countersign.sources.external.feed_answers import open_client
from countersign.sources.external.feeds import open_feed
from countersign.store.home import Home
from tests.support.waiting import PATIENCE_SECONDS

NOON = datetime(2026, 5, 24, 12, tzinfo=UTC)
KEY = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
ITEM: dict[str, Any] = {
    "id": "1847291",
    "timestamp": "2026-05-24 11:58:05",
    "exchange": "binance",
    "currency": "USDT",
    "coin": "BTC",
    "direction": "LONG",
    "buy_start": "94250.5",
    "buy_end": "94400",
    "target1": "95500",
    "target2": "96200",
    "target3": "",
    "stop_loss": "93100",
    "type": "SHORT TERM",
    "ask": "94325",
    "risk_level": "3",
}


def envelope(*items: Any, error: Any = 0, message: str = "Success") -> bytes:
    """The feed's answer with these items."""
    return json.dumps({"error": error, "message": message, "count": len(items), "signals": items}).encode()


def reply(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    """A whole HTTP answer; `length` may promise more than there is."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + body


def ask(url: str, window: int = 5, total_seconds: float = 10, **terms: Any) -> tuple[list[Any], tuple[str, ...] | None]:
    """Ask a feed once: its items, and the fields that none of them had."""
    feed = open_feed(FeedTerms("feed", terms.pop("adapter", "cqs"), url, **terms), total_seconds)

    async def once() -> list[Any]:
        async with open_client() as client:
            return await feed.fetch(client, window)

    return asyncio.run(once()), feed.missing


@contextmanager
def raw_feed(answer: Callable[[bytes], bytes | None]) -> Iterator[str]:
    """Serve the bytes of `answer` to each request; None: never, until the test ends."""
    over = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serve_one(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            request = b""
            while not _whole(request):
                request += peer.recv(65_536)
            sent = answer(request)
            if sent is None:
                over.wait()
            else:
                peer.sendall(sent)

    def accept() -> None:
        with suppress(OSError):
            while True:
                peer, _ = server.accept()
                threads.append(threading.Thread(target=serve_one, args=(peer,)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        over.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for thread in (accepting, *threads):
            thread.join(PATIENCE_SECONDS)


def _whole(request: bytes) -> bool:
    """Return whether head and body are there: closing with bytes unread would cut the answer off."""
    head, end, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(end) and len(body) >= int(length[1] if length else 0)


def enter(home: Home, name: str, url: str, now: datetime = NOON, **terms: Any) -> int:
    """Enter a source; return its number."""
    with home.ledger.write() as db:
        return add_source(
            db, FeedTerms(name=name, adapter=terms.pop("adapter", "cqs"), url=url, **terms), now, "operator"
        ).id
