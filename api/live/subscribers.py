"""Subscribers of the stream: the queue of each, its end, and the pace of them all."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

import orjson

from countersign.domain.signals.streams import Filter

GAP = "too long ago: what is between is left out"
FULL = "this stream was read too slowly; come back with the id of the last event"
AWAY = "the platform's store does not answer; come back"
ENDING = "the server stops; come back"
REVOKED = "the key was revoked, or its account disabled"


@dataclass
class Pace:
    """Pace of the broadcaster, in seconds, and how much it lets wait. Sizes of pages are in events, of queues in
    pages.
    """

    poll_seconds: float = 0.25
    heartbeat_seconds: float = 15.0
    keys_seconds: float = 2.0
    # Of one burst, until those with a full queue are cut off.
    patience_seconds: float = 2.0
    page: int = 256
    queue: int = 64
    streams_a_key: int = 10
    streams: int = 2_000
    retry_seconds: float = 3.0


@dataclass(eq=False)
class Subscriber:
    """A reader of the stream: its queue, and the words with which it is let go."""

    wanted: Filter
    key_hash: str
    queue: deque[bytes] = field(default_factory=deque)
    last: bytes | None = None
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    def give(self, chunk: bytes) -> None:
        """Let a chunk wait for it."""
        self.queue.append(chunk)
        self._ready.set()

    def end(self, words: bytes) -> None:
        """Let it go, with these last bytes."""
        if self.last is None:
            self.last = words
            self._ready.set()

    async def take(self) -> bytes:
        """Return the oldest piece that waits for it, once one does; nothing where it is let go."""
        while not self.queue and self.last is None:
            self._ready.clear()
            await self._ready.wait()
        return self.queue.popleft() if self.queue else b""


def event(name: str, detail: str, **said: str) -> bytes:
    """Write an event that is no signal."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(said | {"detail": detail}))
