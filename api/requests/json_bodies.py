"""JSON bodies that have one meaning: each name once in an object (domain.strict_json)."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

from countersign.domain.strict_json import EXPECTED, RepeatedNameError, read_json


class AmbiguousBodyError(HTTPException):
    """Error for a body with several meanings; `detail` says what was expected, `name` is the member at fault."""

    def __init__(self, expected: str, name: str) -> None:
        super().__init__(422, expected)
        self.name = name[:20].encode("utf-8", "replace").decode()


class StrictRequest(Request):
    """Request that refuses JSON with several meanings."""

    async def json(self) -> Any:
        """Parse the body. Raises AmbiguousBodyError, and a parser's own errors."""
        if not hasattr(self, "_json"):
            try:
                self._json = read_json(await self.body(), constant=float)
            except RepeatedNameError as error:
                raise AmbiguousBodyError(f"expected {EXPECTED}", error.name) from None
        return self._json


class StrictRoute(APIRoute):
    """Route that refuses bodies with several meanings. Every router uses it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Let the handler read its body strictly."""
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return handler
