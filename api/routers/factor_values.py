"""Router of factor values and of validation: uploading, submitting, and how alike one's factors are."""

from functools import partial
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request

from countersign.api.app_state import AppState, Now, State, received_at
from countersign.api.identity import Account
from countersign.api.requests.column_bodies import KINDS
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.requests.value_bodies import fault, read_json
from countersign.api.responses.answers import Json
from countersign.api.responses.errors import problems, refuse
from countersign.api.responses.paging import LongId
from countersign.api.routers.factors import detail, find, shape
from countersign.domain.factors.values import FaultyRowError, check_values
from countersign.models.tables.factors import MIN_SESSIONS
from countersign.models.wire.factors import (
    CorrelationsAnswer,
    FactorDetailAnswer,
    NewValues,
    ValidationAnswer,
    ValuesStatusAnswer,
    ValuesUploadedAnswer,
)
from countersign.services.factors.lifecycle import own_factor, stretch_of
from countersign.services.factors.measuring import correlate
from countersign.services.factors.validation import validate
from countersign.services.factors.values import put_values

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/factors/{factor_id}", tags=["factors"])

JSON = "application/json"
TAKEN = (JSON, *KINDS)


def _bodies() -> dict[str, Any]:
    schema = NewValues.model_json_schema()
    schema["properties"]["data"]["items"] = schema.pop("$defs")["DayValues"]
    rows = {"type": "string", "format": "binary", "description": "columns session (or date), symbol, value"}
    content = {kind: {"schema": schema if kind == JSON else rows} for kind in TAKEN}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/values",
    response_model=ValuesUploadedAnswer,
    responses=problems(401, 403, 404, 415),
    openapi_extra=_bodies(),
)
async def upload_factor_values(request: Request, state: State, user: Account, factor_id: LongId) -> Json:
    """Upload values: up to 500 dates as JSON, or a whole history as Parquet or Arrow IPC, told by `Content-Type`.

    A body has 32 MiB and 5,000,000 rows at most; a larger history comes in several requests, of different dates. 2,500
    sessions of 2,000 symbols take two as doubles (37 MiB of Parquet), one as floats of 4 bytes. In columns a day is a
    date, a timestamp at midnight without a zone or in Asia/Shanghai, YYYY-MM-DD, or YYYYMMDD as number or text.

    Values of a date take the place of what there was for it; dates that are no sessions are skipped and counted. The
    same again changes nothing. An active factor takes values for sessions after those it was validated with; one whose
    outcome begins to be known, at the close of the session after it, can still be added, but not replaced.
    """
    kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if kind not in TAKEN:
        raise refuse(415, f"expected a body of type {', '.join(TAKEN)}, got {kind[:100]}")
    await to_thread.run_sync(find, state, user, factor_id)
    body = await request.body()
    take = partial(_take, state, user.id, factor_id, kind, body)
    return Json(await to_thread.run_sync(take, received_at(request), limiter=state.uploads))


def _take(state: AppState, owner_id: int, factor_id: str, kind: str, body: bytes, uploaded_at: Any) -> dict[str, Any]:
    sessions = state.home.sessions
    given, place = read_json(body) if kind == JSON else state.columns.read(kind, body)
    try:
        values, skipped = check_values(given, sessions)
    except FaultyRowError as error:
        fault(*place(error), expected=str(error).removeprefix(f"{error.field}: "))
    done = put_values(state.home.lake, sessions, owner_id, factor_id, values, uploaded_at)
    return {
        "uploaded": done.sessions,
        "changed": done.changed,
        "skipped": skipped,
        "total_days": done.total_days,
        "status": done.status,
    }


@router.get("/values/status", response_model=ValuesStatusAnswer, responses=problems(401, 403, 404))
def show_values_status(state: State, user: Account, factor_id: LongId) -> Json:
    """Show for how many sessions the factor has values, and whether that is enough."""
    with state.home.ledger.read() as db:
        total, first, last = stretch_of(db, own_factor(db, user.id, factor_id).id)
    return Json(
        {
            "total_days": total,
            "min_required": MIN_SESSIONS,
            "ready": total >= MIN_SESSIONS,
            "start_date": first,
            "end_date": last,
        }
    )


@router.post("/submit", response_model=FactorDetailAnswer, responses=problems(401, 403, 404))
async def submit_factor(state: State, user: Account, now: Now, factor_id: LongId) -> Json:
    """Measure a ready factor on the platform's own prices, and admit or reject it. The answer is the outcome.

    Measured are the values of sessions that have closed. Those of later ones, uploaded ahead, are out of sample.
    """
    home = state.home
    work = partial(validate, home.lake, home.sessions, state.closes, user.id, factor_id, now)
    factor = await to_thread.run_sync(work, limiter=state.validations)
    return Json(await to_thread.run_sync(detail, state, factor))


@router.get("/submit", response_model=ValidationAnswer, responses=problems(401, 403, 404))
def show_validation(state: State, user: Account, factor_id: LongId) -> Json:
    """Show the progress of validation, and its outcome."""
    shown = shape(find(state, user, factor_id))
    return Json({name: shown[name] for name in ValidationAnswer.model_fields})


@router.get("/correlations", response_model=CorrelationsAnswer, responses=problems(401, 403, 404))
async def show_correlations(state: State, user: Account, factor_id: LongId) -> Json:
    """Correlate the factor's values with those of one's other active factors, session by session."""
    factor = await to_thread.run_sync(find, state, user, factor_id)
    found = await to_thread.run_sync(correlate, state.home.lake, factor, limiter=state.validations)
    rows = [{"factor_id": other.id, "name": other.name, "correlation": value} for other, value in found]
    return Json({"correlations": rows})
