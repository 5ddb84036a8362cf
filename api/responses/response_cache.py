"""Cached responses: a public answer given before is given again ahead of all routing, for as long as it would be the
same.

An answer depends on the published version and on which strategies are shown; it is kept for that pair, under the path
and query it was asked by, and dropped with it.
"""

from typing import NamedTuple

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from countersign.api.responses.answers import JSON_TYPE, holds, tag_headers
from countersign.api.responses.public_index import PublicIndex
from countersign.store.lens.cache import Cache
from countersign.store.lens.reader import Lens

MAX_BYTES = 64 * 1024 * 1024
Edition = tuple[str | None, int]


class CachedAnswer(NamedTuple):
    """An answer that may be given again, and its route, under which it is counted every time."""

    tag: str
    body: bytes
    route: BaseRoute


class ResponseCache:
    """The answers that may be given again."""

    def __init__(self, lens: Lens, public_index: PublicIndex, max_bytes: int = MAX_BYTES) -> None:
        self._lens, self._public_index = lens, public_index
        self._cache = Cache[CachedAnswer](max_bytes, lambda answer: len(answer.body))

    @property
    def edition(self) -> Edition | None:
        """Version that answers depend on now; None where it must be looked up first."""
        public_index = self._public_index.edition
        return None if public_index is None else (self._lens.version, public_index)

    def find(self, scope: Scope) -> CachedAnswer | None:
        """Return the earlier answer to this request, if it still holds."""
        edition = self.edition
        return self._cache.find(edition, _key(scope)) if edition else None

    def keep(self, edition: Edition | None, scope: Scope, tag: str, body: bytes) -> None:
        """Keep an answer that was made from `edition`, to a request that has been routed."""
        if edition is not None:
            self._cache.keep(edition, _key(scope), CachedAnswer(tag, body, scope["route"]))


class CachedResponses:
    """Gives answers again; requests that it does not know go to the app."""

    def __init__(self, app: ASGIApp, answers: ResponseCache) -> None:
        self.app, self.answers = app, answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        known = self.answers.find(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if known is None:
            await self.app(scope, receive, send)
            return
        tag, body, scope["route"] = known
        code, headers = 200, tag_headers(tag)
        asked = next((value for name, value in scope["headers"] if name == b"if-none-match"), None)
        if asked is not None and holds(asked.decode("latin-1"), tag):
            code, body = 304, b""
        else:
            headers += [JSON_TYPE, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": code, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _key(scope: Scope) -> tuple[str, bytes]:
    return scope["path"], scope["query_string"]
