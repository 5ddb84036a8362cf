"""Errors over HTTP: `{"detail": "…"}` for a refusal, `{"detail": [{type, loc, msg}, …]}` for a faulty request."""

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from countersign.api.requests.json_bodies import AmbiguousBodyError
from countersign.api.responses.answers import Json
from countersign.models.errors import (
    ConflictError,
    CountersignError,
    HorizonError,
    InputError,
    MissingError,
    RefusedError,
    StoreError,
)
from countersign.models.wire.base import InvalidRequest, Problem

log = logging.getLogger("countersign.api")

STATUS = (
    (InputError, 422),
    (MissingError, 404),
    (HorizonError, 400),
    (RefusedError, 400),
    (ConflictError, 409),
    (StoreError, 503),
)
BUSY_SECONDS = 1
WORDS = {
    400: "Refused: it makes sense, but is not allowed now; or the body could not be read",
    401: "No valid key or token",
    403: "Account disabled, not an administrator's, or its tier does not allow more",
    404: "Not found",
    408: "The body took too long to arrive",
    409: "Conflict with what is there",
    413: "The body is larger than 32 MiB",
    415: "A kind of body that is not taken here",
    422: "Faulty request: which fields, and why",
    429: "Too many requests; Retry-After says how many seconds to wait",
    503: "The ledger is out of reach or busy; nothing was changed",
}
# The refusals that any request may meet.
ALWAYS = (400, 408, 413, 422, 429, 503)


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Document these answers, and the refusals that any request may meet."""
    return {
        code: {"model": InvalidRequest if code == 422 else Problem, "description": WORDS[code]}
        for code in sorted({*codes, *ALWAYS})
    }


def refuse(code: int, detail: str, headers: dict[str, str] | None = None) -> HTTPException:
    """Make the refusal to raise."""
    return HTTPException(code, detail, headers)


def not_found(what: str) -> HTTPException:
    """Make the refusal of a resource that does not exist, or that the caller may not see."""
    return refuse(404, f"{what} not found")


def install(app: FastAPI) -> None:
    """Let the app answer every error in these shapes."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(CountersignError, _ours)
    app.add_exception_handler(AmbiguousBodyError, _ambiguous)
    app.add_exception_handler(HTTPException, _http)


def invalid(faults: Sequence[tuple[str, tuple[str | int, ...], str]]) -> Json:
    """Answer which fields are wrong: type, path to the field, words. The input is not repeated."""
    return Json({"detail": [{"type": kind, "loc": loc, "msg": words} for kind, loc, words in faults]}, 422)


def _invalid(_request: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    return invalid([(fault["type"], tuple(fault["loc"]), fault["msg"]) for fault in faults])


def _ambiguous(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AmbiguousBodyError)  # noqa: S101 - what it was registered for
    return invalid([("json_invalid", ("body", error.name), error.detail)])


def _ours(_request: Request, error: Exception) -> Response:
    code = next((code for kind, code in STATUS if isinstance(error, kind)), 500)
    if isinstance(error, InputError):
        return invalid([("value_error", ("body", error.field), str(error))])
    if code >= 500:
        # Its words may name files of ours.
        log.error("%s", error, exc_info=error)
        return Json(
            {"detail": "the platform's store does not answer; try again"}, code, {"Retry-After": str(BUSY_SECONDS)}
        )
    return Json({"detail": str(error)}, code)


def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it was registered for
    return Json({"detail": str(error.detail)}, error.status_code, error.headers)
