"""Router of the stream: signals as they come, as server-sent events."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from countersign.api.app_state import State
from countersign.api.identity import CHALLENGE, Account
from countersign.api.live.broadcaster import Broadcaster
from countersign.api.live.subscribers import Subscriber
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.requests.limits import credential
from countersign.api.responses.errors import problems, refuse
from countersign.api.responses.paging import Coin, Exchange, Word
from countersign.domain.signals.streams import Cursor, Filter, Kind, parse_cursor
from countersign.models.errors import InputError
from countersign.models.wire.streams import EVENTS, EXAMPLE
from countersign.services.accounts.accounts import KEY_PREFIX

router = APIRouter(route_class=StrictRoute, prefix="/v1", tags=["stream"])

TYPE = "text/event-stream"
# Proxies that collect answers before they pass them on are asked not to.
HEADERS = {"x-accel-buffering": "no", "cache-control": "no-store"}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The stream, without an end",
        "content": {TYPE: {"schema": {"oneOf": [each.model_json_schema() for each in EVENTS]}, "example": EXAMPLE}},
    }
}


class EventStream(Response):
    """The answer that goes on: the broadcaster's events for one reader, until either of them ends it."""

    media_type = TYPE

    def __init__(self, broadcaster: Broadcaster, wanted: Filter, key: str, since: Cursor | None) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._broadcaster, self._wanted, self._key, self._since = broadcaster, wanted, key, since

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream."""
        del scope
        with self._broadcaster.joined(self._wanted, self._key) as client:
            listening = asyncio.create_task(_listen(receive, client))
            try:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                async for chunk in self._broadcaster.read(client, self._since):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                listening.cancel()


async def _listen(receive: Receive, client: Subscriber) -> None:
    """Let a reader go who has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass
    client.end(b"")


@router.get("/signals", response_class=Response, responses=problems(401, 403) | STREAM)
async def stream_signals(
    request: Request,
    state: State,
    _user: Account,
    kind: Annotated[Kind | None, Query(description="of other people's feeds, or of our own strategies")] = None,
    source: Annotated[
        Word,
        Query(description="name of a feed, or slug of a strategy: `model` of the signals", examples=["cqs-free"]),
    ] = None,
    coin: Coin = None,
    exchange: Exchange = None,
    last_event_id: Annotated[
        str | None,
        Header(description="id of the last event that arrived: go on after it", examples=["e1042-s18.7.1"]),
    ] = None,
) -> Response:
    """Stream signals as server-sent events: external ones as they come, our own once their session is settled.

    Takes an API key. Without `Last-Event-ID` the stream begins now; with it, after that event, whichever process gave
    it and whatever was restarted meanwhile; an id is opaque. Signals come without `event:`, one for each symbol, in
    the order in which they were committed. A signal of our own is that of a public strategy, and says what came of it:
    1 bought, -1 sold, 0 neither; a session that is settled again comes again, with a higher `version`, once the
    correction is complete. It has no coin and no exchange.

    Other events: `gap`, the id given is older than the last 10,000 external signals or the last 20 settlements, and
    the events between are left out; `slow`, this reader is cut off with too much waiting; `end`, the key was revoked,
    the server stops, or its store does not answer. A reader that comes back with the last id misses nothing. Every 15 s
    comes a heartbeat: a comment and an id, without data. A key may have 10 streams in each process of the api.
    """
    key = credential(request.scope) or ""
    if not key.startswith(KEY_PREFIX):
        raise refuse(401, f"a stream takes an API key ({KEY_PREFIX}...)", CHALLENGE)
    since = await _since(state.broadcaster, last_event_id) if last_event_id else None
    state.broadcaster.require_room(key)  # last, so that nobody comes between this and its being counted
    return EventStream(state.broadcaster, Filter(kind, source, coin, exchange), key, since)


async def _since(broadcaster: Broadcaster, given: str) -> Cursor:
    try:
        cursor = parse_cursor(given)
    except InputError as error:
        raise refuse(400, str(error)) from None
    if await broadcaster.ahead(cursor):
        raise refuse(400, "Last-Event-ID: expected an id that this stream gave, got one that is ahead of it")
    return cursor
