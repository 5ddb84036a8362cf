"""Answers: JSON written by orjson, and answers that a reader may keep as long as their ETag holds."""

import hashlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response


def dumps(content: Any) -> bytes:
    """Write JSON down: times with their offset, dates plain, CNY as numbers (exact to the fen below 10^13)."""
    return orjson.dumps(content, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"expected JSON, got {type(value)}")


class Json(Response):
    """A JSON answer, written by `dumps` unless it comes as bytes."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content if isinstance(content, bytes) else dumps(content), status_code, headers)


def etag(*parts: object) -> str:
    """Make the ETag of what depends on these parts alone."""
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:20]}"'


def kept(request: Request, tag: str, make: Callable[[], bytes]) -> Response:
    """Answer with what `make` returns, or 304 where the reader has it already. It must ask again before each use."""
    headers = {"ETag": tag, "Cache-Control": "public, no-cache"}
    if is_current(request, tag):
        return Response(status_code=304, headers=headers)
    return Json(make(), headers=headers)


def is_current(request: Request, tag: str) -> bool:
    """Whether the reader holds the answer with this ETag."""
    known = [part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")]
    return tag in known or known == ["*"]
