"""JSON bodies that have one meaning: each name once in an object.

Of two members with one name a parser keeps the last; another program, such as a proxy that checks requests, the first.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute


class AmbiguousBodyError(HTTPException):
    """A body that can be read in several ways; `detail` says what was expected, `name` is the member at fault."""

    def __init__(self, expected: str, name: str) -> None:
        super().__init__(422, expected)
        self.name = name[:20].encode("utf-8", "replace").decode()


class StrictRequest(Request):
    """A request whose JSON has one meaning."""

    async def json(self) -> Any:
        """Parse the body. Raises AmbiguousBodyError, and a parser's own errors."""
        if not hasattr(self, "_json"):
            self._json = json.loads(await self.body(), object_pairs_hook=members)
        return self._json


class StrictRoute(APIRoute):
    """A route whose bodies have one meaning: every router of the api takes it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Let the handler read its body strictly."""
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return handler


def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members. AmbiguousBodyError where two have one name."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        again = next(name for n, name in enumerate(names) if name in names[:n])
        raise AmbiguousBodyError("expected each name once in an object", again)
    return found
