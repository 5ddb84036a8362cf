"""Router of claimed performance: a researcher uploads, shows and withdraws a NAV history of their own account."""

from dataclasses import asdict
from typing import Any
from urllib.parse import quote

import polars as pl
from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from countersign.api.app_state import AppState, Now, State
from countersign.api.identity import Account
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.responses.answers import Json
from countersign.api.responses.errors import not_found, problems
from countersign.api.responses.paging import Slug
from countersign.api.routers.strategies import own_strategy
from countersign.domain.evaluation.claimed_performance import lay_out, summarise, write_records
from countersign.domain.evaluation.tracking import track
from countersign.domain.sessions import EXCHANGE_ZONE
from countersign.models.errors import InputError
from countersign.models.tables.operations import account
from countersign.models.wire.base import Answer
from countersign.models.wire.claimed import ClaimedAnswer, ClaimedDeletedAnswer, ClaimedUploadedAnswer, NewClaimed
from countersign.services.evaluation.claimed_performance import (
    ClaimedUpload,
    delete_claimed,
    find_claimed,
    upload_claimed,
)

PREFIX = "/api/v1/strategies"
router = APIRouter(route_class=StrictRoute, prefix=PREFIX + "/{slug}", tags=["claimed performance"])

REPLACED: dict[int | str, dict[str, Any]] = {
    200: {"model": ClaimedUploadedAnswer, "description": "In place of what was claimed before"}
}


# The description of a route whose resource has moved.
BEFORE: Any = {"status_code": 308, "response_class": Response, "deprecated": True}


def moved_answers(model: type[Answer]) -> dict[int | str, dict[str, Any]]:
    """Document the answers to a request that is sent on to /claimed."""
    there = {"model": model, "description": "What is there, for whoever follows"}
    return problems(401, 403, 404) | {200: there, 201: there, 308: {"description": "It has moved to /claimed"}}


@router.put(
    "/claimed", status_code=201, response_model=ClaimedUploadedAnswer, responses=problems(401, 403, 404) | REPLACED
)
def upload_claimed_performance(state: State, user: Account, now: Now, slug: Slug, body: NewClaimed) -> Json:
    """Claim a NAV history, in place of the one before. Replacements are counted, and shown to everyone.

    Records dated on or after activation are compared with what was tracked. The same records again change nothing.
    """
    today = now.astimezone(EXCHANGE_ZONE).date()
    if body.records[-1].date >= today:
        raise InputError("records", f"dates before {today}", body.records[-1].date)
    records = write_records((record.date, record.nav) for record in body.records)
    with state.home.ledger.write() as db:
        strategy = own_strategy(db, user, slug)
        kept, replaced = upload_claimed(db, strategy, records, len(body.records), now, account(user.id))
    state.public_index.forget()
    return Json({"strategy_slug": slug} | _meta(kept, kept.records), 200 if replaced else 201)


@router.get("/claimed", response_model=ClaimedAnswer, responses=problems(401, 403, 404))
def show_claimed_performance(state: State, user: Account, slug: Slug) -> Json:
    """Show the claim of one's own strategy; NAV starts from 1."""
    with state.home.ledger.read() as db:
        found = find_claimed(db, own_strategy(db, user, slug).id)
    if found is None:
        raise not_found("Claimed performance")
    return Json(_shape(found, found.records))


@router.delete("/claimed", response_model=ClaimedDeletedAnswer, responses=problems(401, 403, 404))
def delete_claimed_performance(state: State, user: Account, now: Now, slug: Slug) -> Json:
    """Withdraw the claim. It stays in the audit log, and counts when another one comes."""
    with state.home.ledger.write() as db:
        removed = delete_claimed(db, own_strategy(db, user, slug), now, account(user.id))
    if removed is None:
        raise not_found("Claimed performance")
    state.public_index.forget()
    return Json({"deleted": True, "data_points_removed": removed})


def moved_to(prefix: str, slug: str) -> Response:
    """Point to where this has moved: the same request is to be sent there."""
    return RedirectResponse(f"{prefix}/{quote(slug, safe='')}/claimed", 308)


@router.get("/backtest", responses=moved_answers(ClaimedAnswer), **BEFORE)
async def show_claimed_performance_moved(slug: Slug) -> Response:
    """Point to /claimed, where this has moved."""
    return moved_to(PREFIX, slug)


@router.put("/backtest", responses=moved_answers(ClaimedUploadedAnswer), **BEFORE)
async def upload_claimed_performance_moved(slug: Slug) -> Response:
    """Point to /claimed, where this has moved."""
    return moved_to(PREFIX, slug)


@router.delete("/backtest", responses=moved_answers(ClaimedDeletedAnswer), **BEFORE)
async def delete_claimed_performance_moved(slug: Slug) -> Response:
    """Point to /claimed, where this has moved."""
    return moved_to(PREFIX, slug)


def show_public(state: AppState, slug: str, strategy_id: int) -> dict[str, Any] | None:
    """Return the public view of a claimed performance, None where nothing is claimed (any more)."""
    found = _read(state, strategy_id)
    return _shape(found, found.records) | _tracking(state, slug, found) if found else None


def show_in_record(state: AppState, slug: str, strategy_id: int) -> dict[str, Any]:
    """Return the part of a claimed performance that a track record shows: `claimed`, or nothing."""
    found = _read(state, strategy_id)
    if found is None:
        return {}
    shown = lay_out(found.records, found.activated_on)
    if state.lens.version is None:
        shown = shown.with_columns(benchmark_return=pl.lit(None, pl.Float64))
    else:
        shown = shown.join(state.track_records.benchmark(found.universe), on="date", how="left", maintain_order="left")
    body = {"meta": _meta(found, found.records), "records": shown.to_dicts()}
    return {"claimed": body | _tracking(state, slug, found)}


def _read(state: AppState, strategy_id: int) -> ClaimedUpload | None:
    with state.home.ledger.read() as db:
        return find_claimed(db, strategy_id)


def _shape(found: ClaimedUpload, records: pl.DataFrame) -> dict[str, Any]:
    return {"meta": _meta(found, records), "records": lay_out(records, found.activated_on).to_dicts()}


def _meta(found: ClaimedUpload, records: pl.DataFrame) -> dict[str, Any]:
    return {
        **asdict(summarise(records)),
        "after_activation": records.filter(pl.col("session") >= found.activated_on).height,
        "uploaded_at": found.upload.uploaded_at,
        "first_uploaded_at": found.first_uploaded_at,
        "times_replaced": found.upload.revision - 1,
    }


def _tracking(state: AppState, slug: str, found: ClaimedUpload) -> dict[str, Any]:
    """Return `tracking`, or nothing while too few daily returns are in common."""
    if state.lens.version is None:
        return {}
    after = found.records.filter(pl.col("session") >= found.activated_on)
    tracking = track(after, state.track_records.nav_history(slug).select(pl.col("date").alias("session"), "nav"))
    return {"tracking": asdict(tracking)} if tracking else {}
