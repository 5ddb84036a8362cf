"""Readers of the stream: they parse it line by line as the standard of server-sent events says."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastapi import FastAPI

from countersign.api.live.broadcaster import Broadcaster
from countersign.domain.external.items import normalise
from countersign.domain.signals.streams import parse_cursor
from countersign.services.external.answers import Poll, store_answer
from countersign.store.home import Home
from tests.support.feeds import ITEM, NOON
from tests.support.serving import serving
from tests.support.waiting import PATIENCE_SECONDS


@dataclass
class Sent:
    """One block of the stream."""

    id: str | None = None
    event: str | None = None
    data: Any = None
    retry: int | None = None
    comment: str | None = None


class Listener:
    """A reader that stays at the stream and waits for events."""

    def __init__(self, url: str, headers: dict[str, str], since: str | None = None, **query: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_SECONDS)
        given = headers | ({} if since is None else {"Last-Event-ID": since})
        self._connection.request("GET", f"/v1/signals?{urlencode(query)}", headers=given)
        self._answer = self._connection.getresponse()
        self.code, self.headers = self._answer.status, self._answer.headers
        self.body = b"" if self.code == 200 else self._answer.read()

    def blocks(self) -> Iterator[Sent]:
        """Yield blocks as they come, until the stream ends."""
        block = Sent()
        while line := self._answer.readline():
            name, _, value = line.decode().rstrip("\n").partition(":")
            value = value.removeprefix(" ")
            if line == b"\n":
                yield block
                block = Sent()
            elif not name:
                block.comment = value
            elif name == "data":
                block.data = json.loads(value)
            elif name == "retry":
                block.retry = int(value)
            else:
                assert name in {"id", "event"}
                setattr(block, name, value)

    def events(self) -> Iterator[Sent]:
        """Yield the events with data."""
        return (block for block in self.blocks() if block.data is not None)

    def take(self, count: int) -> list[Sent]:
        """Return the next events."""
        found = self.events()
        return [next(found) for _ in range(count)]

    def close(self) -> None:
        """Hang up."""
        self._answer.close()
        self._connection.close()


def numbers(events: list[Sent]) -> list[int]:
    """The ids that the feed gave."""
    return [int(event.data["external_id"]) for event in events]


def increasing(events: list[Sent]) -> bool:
    """Whether each event's id is another place than the one before it, and behind it."""
    places = [parse_cursor(event.id or "") for event in events]
    return all(later != earlier and later.covers(earlier) for earlier, later in pairwise(places))


@contextmanager
def listening(url: str, headers: dict[str, str], since: str | None = None, **query: str) -> Iterator[Listener]:
    """Listen, from the first block on, which says where the stream begins."""
    with closing(Listener(url, headers, since, **query)) as listener:
        assert listener.code == 200, listener.body
        if since is None:
            assert next(listener.blocks()).retry
        yield listener


@contextmanager
def dawdling(url: str, headers: dict[str, str]) -> Iterator[socket.socket]:
    """Open a stream and read its beginning and nothing more, with as little room as a socket can have."""
    parts = urlsplit(url)
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(PATIENCE_SECONDS)
        line.connect((parts.hostname, parts.port))
        lines = ["GET /v1/signals HTTP/1.1", "Host: here", *(f"{name}: {value}" for name, value in headers.items())]
        line.sendall("\r\n".join([*lines, "", ""]).encode())
        begun = b""
        while b"retry:" not in begun:
            begun += line.recv(1)
        yield line


@contextmanager
def streaming(home: Home, send_bytes: int | None = None, **pace: float) -> Iterator[tuple[str, Broadcaster]]:
    """Serve a home with a hub of this pace, by default one that looks often."""
    hubs: list[Broadcaster] = []

    def prepare(app: FastAPI) -> None:
        hubs.append(app.state.countersign.broadcaster)
        for name, value in ({"poll_seconds": 0.01} | pace).items():
            setattr(hubs[0].pace, name, value)

    with serving(home, prepare, send_bytes) as url:
        yield url, hubs[0]


def bring(home: Home, source: int, *ids: int, **changes: Any) -> None:
    """Let a poll bring signals with these ids."""
    with home.ledger.write() as db:
        items = normalise([ITEM | changes | {"id": f"{number:06}"} for number in ids])
        assert len(items.signals) == len(ids)
        store_answer(db, Poll(source, NOON, NOON, 60), items)
