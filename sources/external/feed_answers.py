"""Feed answers: one bounded request, JSON without lost digits, and errors that never show the key."""

import asyncio
import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote_plus

import httpx

from countersign.domain.external.polling import PollAction, action_for_status, retry_after
from countersign.domain.strict_json import Repeated, excerpt, read_items_json, repeated_name
from countersign.models.errors import SourceBusy, SourceRefused

# A window of a real feed is some kilobytes; this is 25,000 signals.
MAX_ANSWER_BYTES = 8 << 20
CONNECT_SECONDS, TOTAL_SECONDS = 10.0, 30.0
# Longer than the habitual cadences, or every poll would make a connection of its own.
KEPT_SECONDS = 300.0
MAX_MESSAGE = 200
SHORTEST_SECRET = 4
HIDDEN = "…"


def open_client(
    transport: httpx.AsyncBaseTransport | None = None, connect_seconds: float = CONNECT_SECONDS
) -> httpx.AsyncClient:
    """Make the client that all feeds of one event loop share; it keeps connections and follows no redirect."""
    # Both write addresses down, with the key where a feed wants it there.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.AsyncClient(
        transport=transport,
        timeout=connect_seconds,
        limits=httpx.Limits(keepalive_expiry=KEPT_SECONDS),
        follow_redirects=False,
        headers={"accept": "application/json", "user-agent": "countersign"},
        # Plain http is for this machine alone: a proxy would see the key.
        mounts={"http://": None},
    )


@dataclass(frozen=True)
class FeedResponse:
    """Answer of a feed: HTTP status, JSON, and the pause it asks for.

    The JSON is as domain.strict_json.read_items_json reads it, None where it is none.
    """

    status: int
    json: Any
    retry_after_seconds: float | None = None


class Asker:
    """Asks one feed. `total_seconds` bounds a whole request, however slowly its answer drips."""

    def __init__(self, name: str, key: str | None, total_seconds: float = TOTAL_SECONDS) -> None:
        self._name, self._total_seconds = name, total_seconds
        self._secrets = (key, quote_plus(key)) if key else ()

    async def ask(self, client: httpx.AsyncClient, method: str, url: str, **options: Any) -> FeedResponse:
        """Return the feed's answer, the key taken out of it.

        SourceBusy if there is no whole answer, or HTTP says that there will be one later.
        """
        try:
            async with asyncio.timeout(self._total_seconds), client.stream(method, url, **options) as response:
                wait = retry_after(response.headers.get("retry-after"), response.headers.get("date"))
                self._require_time(response, wait)
                body = await self._read(response)
        except httpx.HTTPError as error:
            # Not chained: the request in there holds the key.
            raise SourceBusy(f"{self._name}: {type(error).__name__}") from None
        except TimeoutError:
            raise SourceBusy(f"{self._name}: no whole answer within {self._total_seconds:g} s") from None
        return FeedResponse(response.status_code, self._json(body), wait)

    def _require_time(self, response: httpx.Response, wait: float | None) -> None:
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
            raise SourceBusy(f"{self._name}: HTTP {response.status_code}", wait)
        if response.has_redirect_location:
            raise SourceBusy(f"{self._name}: HTTP {response.status_code}, a redirect, which is not followed")

    async def _read(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise SourceBusy(f"{self._name}: an answer of more than {MAX_ANSWER_BYTES >> 20} MiB")
        return bytes(body)

    def _json(self, body: bytes) -> Any:
        try:
            found = read_items_json(body)
            return self._without_key(found) if any(len(each) >= SHORTEST_SECRET for each in self._secrets) else found
        except (ValueError, RecursionError):
            return None

    def _without_key(self, value: Any) -> Any:
        """Hide the key in the JSON that was read, where it may have many spellings."""
        match value:
            case str():
                return self._hide(value)
            case list():
                return [self._without_key(each) for each in value]
            case dict():
                return {self._hide(name): self._without_key(each) for name, each in value.items()}
            case Repeated():
                members = tuple((self._hide(name), self._without_key(each)) for name, each in value.members)
                return Repeated(self._hide(value.name), members)
            case int() | Decimal() if str(value) in self._secrets:
                return HIDDEN
            case _:
                return value

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def not_json(self, answer: FeedResponse) -> SourceBusy:
        """Make the error for an answer that is not the feed's; it names a repeated member."""
        twice = repeated_name(answer.json)
        why = "" if twice is None else f": it has {excerpt(twice)} twice in an object"
        return SourceBusy(f"{self._name}: an answer that is not the feed's JSON{why}")

    def items(self, answer: FeedResponse, items: Any) -> list[Any]:
        """Return an answer's `items`; SourceBusy if they are no list, or the answer around them is ambiguous.

        An item that means two things spoils no other: domain.external.items puts it aside.
        """
        if not isinstance(items, list) or repeated_name(answer.json, outside=items) is not None:
            raise self.not_json(answer)
        return items

    def refuse(self, action: PollAction, message: str, answer: FeedResponse) -> SourceBusy | SourceRefused:
        """Make the error for an answer that cannot be stored."""
        words = self.shown(message)
        match action:
            case PollAction.STOP_KEY:
                return SourceRefused(f"{self._name}: the key is bad: {words}")
            case PollAction.STOP_CONFIGURATION:
                return SourceRefused(f"{self._name}: the source's configuration is wrong: {words}")
            case _:
                return SourceBusy(f"{self._name}: {words}", answer.retry_after_seconds)

    def refuse_status(self, answer: FeedResponse) -> None:
        """Raise unless the HTTP status is one of success."""
        action = action_for_status(answer.status)
        if action is not PollAction.STORE:
            raise self.refuse(action, f"HTTP {answer.status}", answer)

    def shown(self, message: str) -> str:
        """Make a feed's words fit for a log: one short line, without the key."""
        return "".join(letter if letter.isprintable() else " " for letter in self._hide(message))[:MAX_MESSAGE]
