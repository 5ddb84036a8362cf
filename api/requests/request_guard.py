"""The gate, which every request passes first: it notes the time of arrival, bounds the request, closes the answer.

Plain ASGI and outermost, so that nothing is done before the time is noted and no answer leaves without its headers.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime

import orjson
from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from countersign.api.requests.limits import Limits

log = logging.getLogger("countersign.api")

MAX_BODY_BYTES = 32 * 1024 * 1024
DRAINED_BYTES = 3 * MAX_BODY_BYTES
# Of a body of up to a mebibyte, as every submission is; for each second more, a larger one brings so much at least.
BODY_SECONDS = 30.0
SMALL_BYTES, BYTES_A_SECOND = 1024 * 1024, 128 * 1024
ARRIVAL, WHOLE = "countersign.received_at", "countersign.whole_at"
UNLIMITED = "/api/v1/health"
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
# The pages of the documentation bring scripts of their own.
PAGES = ("/docs", "/redoc")


class Arrivals:
    """Tells when requests arrive. A system clock that steps back must not open a deadline again that has passed."""

    def __init__(self, now: Callable[[], datetime], *, may_go_back: bool) -> None:
        self._now, self._may_go_back = now, may_go_back
        self._latest: datetime | None = None

    def __call__(self) -> datetime:
        """Return the time; never an earlier one than before, unless the clock is a simulated one."""
        now = self._now()
        if not self._may_go_back and self._latest is not None and now < self._latest:
            return self._latest
        self._latest = now
        return now


class RequestGuard:
    """Lets requests in, one by one."""

    def __init__(self, app: ASGIApp, arrivals: Arrivals, limits: Limits, body_seconds: float = BODY_SECONDS) -> None:
        self.app, self.arrivals, self.limits, self.body_seconds = app, arrivals, limits, body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope[ARRIVAL] = self.arrivals()
        answered = False

        async def closing(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                _close(scope, message)
            await send(message)

        wait = 0.0 if scope["path"] == UNLIMITED else self.limits.wait_seconds(scope)
        if wait:
            words = f"too many requests; try again in {wait:.0f} s"
            await _answer(closing, 429, words, [(b"retry-after", str(int(wait)).encode())])
            return
        try:
            await self.app(scope, self._bounded(scope, receive), closing)
        except HTTPException as error:
            failure = (error.status_code, str(error.detail))
        except Exception:
            log.exception("%s %s", scope["method"], scope["path"])
            failure = (500, "internal error")
        else:
            return
        if answered:
            raise ConnectionError("the answer had begun")
        await _answer(closing, *failure)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Count the bytes and the seconds of the body, and note when it was whole."""
        taken, whole = 0, False
        began = time.monotonic()

        def left() -> float:
            more = max(0, min(taken, MAX_BODY_BYTES) - SMALL_BYTES) / BYTES_A_SECOND
            return began + self.body_seconds + more - time.monotonic()

        async def bounded() -> Message:
            nonlocal taken, whole
            if whole:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), left())
                taken += len(message.get("body", b""))
                if taken > MAX_BODY_BYTES:
                    # Somebody who is still sending would never see the answer.
                    while taken < DRAINED_BYTES and message.get("more_body"):
                        message = await asyncio.wait_for(receive(), left())
                        taken += len(message.get("body", b""))
                    words = f"the body is larger than {MAX_BODY_BYTES // 1024 // 1024} MiB"
                    raise HTTPException(413, words, {"Connection": "close"})
            except TimeoutError:
                words = f"the body did not arrive within {self.body_seconds:g} s"
                raise HTTPException(408, words, {"Connection": "close"}) from None
            if message["type"] == "http.request" and not message.get("more_body"):
                whole = True
                scope[WHOLE] = self.arrivals()
            return message

        return bounded


def _close(scope: Scope, message: Message) -> None:
    given = list(message.get("headers", ()))
    names = {key.lower() for key, _ in given}
    page = scope["path"].startswith(PAGES)
    wanted = (header for header in HEADERS if not (page and header[0] == b"content-security-policy"))
    message["headers"] = [*given, *(header for header in wanted if header[0] not in names)]


async def _answer(send: Send, code: int, detail: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = orjson.dumps({"detail": detail})
    start = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *(headers or ())]
    await send({"type": "http.response.start", "status": code, "headers": start})
    await send({"type": "http.response.body", "body": body})
