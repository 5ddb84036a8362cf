"""The protocol of a connection: uvicorn's, with bounds in bytes and seconds on a client before it is answered.

The parser joins the pieces of one header, each time copying all there are: 100 MB of one header kept the loop for 11 s.
So bytes are counted as they come. The gate bounds bodies; here their surroundings are bounded: heads, the framing of
chunks, requests sent ahead of answers, connections that ask for nothing.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from http import HTTPStatus
from typing import Any
from weakref import WeakKeyDictionary

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from countersign.api.requests.addresses import Proxies, network
from countersign.api.requests.half_open import HalfOpen

KIBIBYTE = 1024
MAX_HEAD_BYTES, MAX_HEADERS = 64 * KIBIBYTE, 200
# The parts of a query are looked at one by one: 64 KiB of them would keep the loop for 30 ms.
MAX_URL_BYTES = 8 * KIBIBYTE
# Chunks may bring as much around a body as there is in it, and the head and this besides.
MAX_FRAMING_BYTES = 64 * KIBIBYTE
MAX_AHEAD = 8
# Time for a refused client to read the answer: closing while it still sends would take the answer from it.
LINGER_SECONDS = 1.0

_NOT_OVER = "the head of the request is larger than 64 KiB, or has more than 200 headers"
_half_open: WeakKeyDictionary[ServerState, HalfOpen] = WeakKeyDictionary()


class _Excess(Exception):  # noqa: N818 - never leaves this module
    """The parser is to stop here: the request is refused."""


class _Stage(Enum):
    HEAD = "its head is not whole"
    BODY = "its body is not whole"
    WHOLE = "it has come, or none is under way"


class GuardedProtocol(HttpToolsProtocol):
    """One connection. Times are attributes of the class, so that a test can take a class with short ones."""

    head_seconds = 10.0
    rest_seconds = 10.0
    # For a client to take some more of an answer that waits for it.
    taking_seconds = 30.0

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._stage = _Stage.WHOLE
        self._wire = self._body = 0
        self._fault: tuple[int, str] | None = None
        self._refused = False
        self._timer: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None
        # The request that is being answered; `cycle` is the last one that came.
        self._answering: RequestResponseCycle | None = None
        self._proxies: Proxies = self.app_state.get("proxies") or Proxies(())
        self._table = _half_open.setdefault(self.server_state, HalfOpen())

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the first head its time."""
        super().connection_made(transport)
        self._wait(self.head_seconds, self._head_is_late)
        self._table.add(self, self._origin())

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        self._stop_watching()
        self._table.discard(self)
        self._abandon()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Count a client that does not read: its answer, and the connection, are kept for as long as it likes."""
        super().pause_writing()
        self._table.add(self, self._origin())
        self._watch_again()

    def resume_writing(self) -> None:
        """Count it no longer."""
        super().resume_writing()
        self._stop_watching()
        if self._stage is _Stage.WHOLE:
            self._table.discard(self)

    def data_received(self, data: bytes) -> None:
        """Take the bytes that have come, up to the bound."""
        if self._refused:
            return
        self._wire += len(data)
        super().data_received(data)
        if not self._refused:
            self._review()

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._stage = _Stage.HEAD

    def on_headers_complete(self) -> None:
        """Refuse a head that is too large, else serve the request."""
        # Exactly only near the bound: some of the bytes that came at once may be the body's.
        size = sum((len(name) + len(value) + 4 for name, value in self.headers), len(self.url))
        if len(self.url) > MAX_URL_BYTES:
            self._raise(414, "the address of the request is longer than 8 KiB")
        if size > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self._raise(431, _NOT_OVER)
        if len(self.pipeline) >= MAX_AHEAD:
            self._raise(429, f"more than {MAX_AHEAD} requests were sent ahead of their answers")
        self._stage = _Stage.BODY
        self._body = 0
        super().on_headers_complete()
        if not self.pipeline:
            self._answering = self.cycle

    def on_body(self, body: bytes) -> None:
        """Count the body's bytes."""
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request has come."""
        self._stage, self._wire, self._body = _Stage.WHOLE, 0, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Give the rest of a body that was answered before its end a time of its own."""
        if self.pipeline:
            self._answering = self.pipeline[-1][0]
        super().on_response_complete()
        if self._stage is _Stage.BODY and self._timer is None and not self.transport.is_closing():
            self._wait(self.rest_seconds, self._end)

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that the parser did not take, or must not take."""
        self._refuse(*(self._fault or (400, msg)))

    def make_room(self) -> None:
        """End the connection for others of its address."""
        self._end()

    def _review(self) -> None:
        answered = self.cycle is None or self.cycle.response_complete
        waiting = self._stage is _Stage.HEAD or (self._stage is _Stage.WHOLE and answered)
        if waiting and self._wire > MAX_HEAD_BYTES:
            self._refuse(431, _NOT_OVER)
        elif self._stage is _Stage.BODY and self._wire > MAX_HEAD_BYTES + MAX_FRAMING_BYTES + 2 * self._body:
            self._refuse(400, "the body comes in chunks that are too small")
        elif waiting:
            # Nothing but empty lines is no request either.
            if self._timer is None:
                self._wait(self.head_seconds, self._head_is_late)
            self._table.add(self, self._origin())
        elif self._stage is _Stage.BODY:
            if not answered:
                self._stop_waiting()
            self._table.add(self, self._origin())
        else:
            self._stop_waiting()
            if not self.flow.write_paused:
                self._table.discard(self)

    def _watch_again(self) -> None:
        self._stop_watching()
        self._taking = self.loop.call_later(
            self.taking_seconds, self._check_progress, self.transport.get_write_buffer_size()
        )

    def _check_progress(self, before: int) -> None:
        """End a connection if its client has read nothing since."""
        if self.transport.get_write_buffer_size() >= before:
            self._end()
        else:
            self._watch_again()

    def _stop_watching(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _origin(self) -> str | None:
        """Return the address of the connection's client; None for a proxy's, which bounds its clients itself."""
        host = self.client[0] if self.client else ""
        return None if self._proxies.trusts(host) else network(host)

    def _raise(self, code: int, words: str) -> None:
        self._fault = (code, words)
        raise _Excess(words)

    def _head_is_late(self) -> None:
        if self._stage is _Stage.HEAD:
            self._refuse(408, f"the head of the request did not arrive within {self.head_seconds:g} s")
        else:
            self._end()

    def _refuse(self, code: int, words: str) -> None:
        """Answer in the parser's place, unless another answer is under way, and close once it is read."""
        self._refused = True
        self._stop_waiting()
        if self._answering is not None and not self._answering.response_complete:
            self._end()
            return
        body = orjson.dumps({"detail": words})
        lines = (
            f"HTTP/1.1 {code} {HTTPStatus(code).phrase}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            "connection: close",
        )
        self.transport.write("\r\n".join((*lines, "", "")).encode() + body)
        self.transport.write_eof()
        self.flow.pause_reading()
        self._wait(LINGER_SECONDS, self._end)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, then)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        self._abandon()
        # To close waits for what was written to be read.
        if self.flow.write_paused:
            self.transport.abort()
        else:
            self.transport.close()

    def _abandon(self) -> None:
        """Tell who answers that nobody listens any more. uvicorn tells the last request alone."""
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()
