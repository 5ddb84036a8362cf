"""The broadcaster of the streams: one look at the ledger for all readers of this process, each event written once.

A reader first catches up with the broadcaster's place, page by page and as fast as it takes them; from then on the
broadcaster hands it each event that it finds. Events that the reader has not taken wait in a queue of its own, of bytes
that all readers share. A reader with a full queue is cut off; it has the id to come back with, and catches up as it
likes.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager

from anyio import CapacityLimiter, to_thread

from countersign.api.live.subscribers import AWAY, ENDING, FULL, GAP, REVOKED, Pace, Subscriber, event
from countersign.api.responses.errors import refuse
from countersign.domain.signals.streams import Cursor, Filter, Page
from countersign.models.errors import StoreError
from countersign.services.accounts.accounts import good_keys, hash_key
from countersign.services.publication.stream import Streams
from countersign.store.home import Home
from countersign.store.lens.cache import Cache

log = logging.getLogger("countersign.api")

CACHED_BYTES = 16 * 1024 * 1024


class Broadcaster:
    """All streams of this process."""

    def __init__(self, home: Home) -> None:
        self.pace = Pace()
        self._home, self._store = home, Streams(home)
        self._clients: dict[Subscriber, None] = {}
        self._live: dict[Subscriber, None] = {}
        self._head = Cursor()
        self._watch: asyncio.Task[None] | None = None
        self._starting, self._readers = asyncio.Lock(), CapacityLimiter(1)
        self._pages = Cache[Page](CACHED_BYTES, lambda page: sum(len(event.data) for event in page.events))
        self._ended = False

    def require_room(self, key: str) -> None:
        """Raise the refusal of one stream too many."""
        held = Counter(client.key_hash for client in self._clients)
        if held[hash_key(key)] >= self.pace.streams_a_key:
            raise refuse(429, f"too many streams: at most {self.pace.streams_a_key} with one key", {"Retry-After": "5"})
        if self._ended or len(self._clients) >= self.pace.streams:
            raise refuse(503, "too many streams are open; try again", {"Retry-After": "5"})

    @contextmanager
    def joined(self, wanted: Filter, key: str) -> Generator[Subscriber]:
        """Count a reader in, for as long as its stream lasts."""
        client = Subscriber(wanted, hash_key(key))
        self._clients[client] = None
        if self._ended:
            client.end(event("end", ENDING))
        try:
            yield client
        finally:
            self._clients.pop(client, None)
            self._live.pop(client, None)

    async def read(self, client: Subscriber, since: Cursor | None) -> AsyncGenerator[bytes]:
        """Give a reader the events after `since`, by default from now on, until it is let go.

        `since` was checked: it is no later than the ledger.
        """
        try:
            async for chunk in self._catch_up(client, since):
                yield chunk
        except StoreError:
            client.end(event("end", AWAY))
        while chunk := await client.take():
            yield chunk
        yield client.last or b""

    async def _catch_up(self, client: Subscriber, since: Cursor | None) -> AsyncGenerator[bytes]:
        """Bring a reader to the broadcaster's place; no event comes between that and its being live."""
        await self._start()
        at = self._head if since is None else await to_thread.run_sync(self._store.oldest, since)
        if since is not None and at != since:
            yield event("gap", GAP, **{"from": str(since), "to": str(at)})
        yield b"retry: %d\nid: %b\n\n" % (1000 * self.pace.retry_seconds, str(at).encode())
        while client.last is None:
            if at == self._head:
                self._live[client] = None
                break
            page = await self._page(at) if self._head.covers(at) else None
            if page is None or page.through == at:
                await asyncio.sleep(self.pace.poll_seconds / 2)
                continue
            at = page.through
            if chunk := page.chunk(client.wanted):
                yield chunk

    async def ahead(self, cursor: Cursor) -> bool:
        """Return whether a place lies beyond the ledger's newest."""
        return not (await to_thread.run_sync(self._store.head)).covers(cursor)

    def end(self) -> None:
        """Let all readers go, and take no more."""
        self._ended = True
        for client in tuple(self._clients):
            client.end(event("end", ENDING))

    async def _start(self) -> None:
        async with self._starting:
            if self._watch is None or self._watch.done():
                self._head = await to_thread.run_sync(self._store.head)
                self._watch = asyncio.create_task(self._poll())

    async def _page(self, after: Cursor) -> Page:
        """Read a page up to the head, once for all who ask for it: after a restart many come back with one id."""
        # Kept for no longer than a second, so that a strategy that is hidden is not shown from here.
        version, key = int(time.monotonic()), (after, self._head)
        async with self._readers:
            page = self._pages.find(version, key)
            if page is None:
                page = await to_thread.run_sync(self._store.page, *key, self.pace.page)
                self._pages.keep(version, key, page)
        return page

    async def _poll(self) -> None:
        beat = checked = time.monotonic()
        patience = self.pace.patience_seconds
        while self._clients:
            more = False
            try:
                page = await to_thread.run_sync(self._store.page, self._head, None, self.pace.page)
                self._announce(page)
                more = page.more
                if time.monotonic() - checked >= self.pace.keys_seconds:
                    await self._check_keys()
                    checked = time.monotonic()
            except StoreError:  # busy: the next look will do
                pass
            except Exception:
                log.exception("the stream of signals")
            if time.monotonic() - beat >= self.pace.heartbeat_seconds:
                self._beat()
                beat = time.monotonic()
            if more:
                patience = await self._make_room(patience)
            else:
                patience = self.pace.patience_seconds
                await asyncio.sleep(self.pace.poll_seconds)

    def _announce(self, page: Page) -> None:
        self._head = page.through
        for client in tuple(self._live):
            chunk = page.chunk(client.wanted)
            if not chunk:
                continue
            if len(client.queue) < self.pace.queue:
                client.give(chunk)
            else:
                # Nothing may follow the first event that it does not get.
                self._live.pop(client)
                client.queue.clear()
                client.end(event("slow", FULL))

    def _beat(self) -> None:
        # With the id, so that a reader that filters comes back to its place and not to its last event.
        beat = b": heartbeat\nid: %b\n\n" % str(self._head).encode()
        for client in self._live:
            if not client.queue:
                client.give(beat)

    async def _make_room(self, patience: float) -> float:
        """Wait within a burst until no queue is full, but no longer than `patience`; return the rest of it."""
        until = time.monotonic() + patience
        await asyncio.sleep(0)
        while any(len(client.queue) >= self.pace.queue for client in self._live) and time.monotonic() < until:
            await asyncio.sleep(0.005)
        return until - time.monotonic() if until > time.monotonic() else 0.0

    async def _check_keys(self) -> None:
        hashes = {client.key_hash for client in self._clients}

        def read() -> set[str]:
            with self._home.ledger.read() as db:
                return good_keys(db, hashes)

        good = await to_thread.run_sync(read)
        for client in tuple(self._clients):
            if client.key_hash in hashes - good:
                client.end(event("end", REVOKED))
