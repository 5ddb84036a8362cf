"""Answers: JSON written by orjson, and answers that a reader may keep as long as their ETag holds."""

import hashlib
from collections.abc import Mapping
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


JSON_TYPE = (b"content-type", b"application/json")


class Json(Response):
    """A JSON answer, written by `dumps` unless it comes as bytes."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content if isinstance(content, bytes) else dumps(content), status_code, headers)


def etag(*parts: object) -> str:
    """Make the ETag of an answer that depends on these parts alone."""
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:20]}"'


def tagged(request: Request, tag: str, body: bytes) -> Response:
    """Answer with `body`, or 304 where the reader has it already. It must ask again before each use."""
    return unchanged(tag) if is_current(request, tag) else Json(body, headers=_headers(tag))


def unchanged(tag: str) -> Response:
    """Answer that the reader has it already."""
    return Response(status_code=304, headers=_headers(tag))


def is_current(request: Request, tag: str) -> bool:
    """Whether the reader holds the answer with this ETag."""
    return holds(request.headers.get("if-none-match", ""), tag)


def holds(asked: str, tag: str) -> bool:
    """Whether an If-None-Match names this ETag: as one of a list, weak or not, or by `*`."""
    if asked == tag:
        return True
    known = [part.strip().removeprefix("W/") for part in asked.split(",")]
    return tag in known or known == ["*"]


def tag_headers(tag: str) -> list[tuple[bytes, bytes]]:
    """Write the headers of a tagged answer as a server takes them."""
    return [(name.lower().encode(), value.encode()) for name, value in _headers(tag).items()]


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": "public, no-cache"}
