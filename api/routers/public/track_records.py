"""Router of public strategies: track records and audit logs. No login; only settled sessions and claims."""

from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from countersign.api.app_state import AppState, State
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.responses.answers import dumps, etag, is_current, tagged, unchanged
from countersign.api.responses.errors import not_found, problems
from countersign.api.responses.paging import Limit, Offset, Slug
from countersign.api.responses.response_cache import Edition
from countersign.api.routers.claimed_performance import show_in_record
from countersign.models.wire.public import AuditAnswer, TrackRecordAnswer
from countersign.services.publication.public_strategies import Visible
from countersign.services.publication.track_records import RETURNS, First

PREFIX = "/api/v1/public/strategies"
router = APIRouter(route_class=StrictRoute, prefix=PREFIX, tags=["public"])

UNPUBLISHED = "unpublished"
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "The reader has it already, by its ETag"}}


@router.get("/{slug}/track-record", response_model=TrackRecordAnswer, responses=problems(404) | UNCHANGED)
async def show_track_record(request: Request, state: State, slug: Slug) -> Response:
    """Show every settled session, oldest first; NAV starts from 1. `claimed` and `claimed.tracking` where there are.

    A session that a correction changed also says what it was first, in `corrected`.
    """

    def make(version: str, found: Visible) -> dict[str, Any]:
        claimed = show_in_record(state, slug, found.id) if found.upload_id else {}
        if version == UNPUBLISHED:
            return {"records": []} | claimed
        history, first = state.track_records.track_record(slug)
        # By columns, and each record written out: to have polars make the rows takes ten times as long.
        columns = (history[name].to_list() for name in ("date", "nav", *RETURNS))
        records = [
            {
                "date": day,
                "nav": nav / found.initial_capital,
                "daily_return": daily,
                "cumulative_return": cumulative,
                "benchmark_return": benchmark,
            }
            for day, nav, daily, cumulative, benchmark in zip(*columns, strict=True)
        ]
        _mark_corrected(records, first, found.initial_capital)
        return {"records": records} | claimed

    return await published(request, state, slug, ("track-record",), make, from_history=True)


@router.get("/{slug}/audit", response_model=AuditAnswer, responses=problems(404) | UNCHANGED)
async def show_audit_log(request: Request, state: State, slug: Slug, limit: Limit = 50, offset: Offset = 0) -> Response:
    """Show what each settled session was, newest first: a rebalance, or a hold and why."""

    def make(version: str, _found: Visible) -> dict[str, Any]:
        if version == UNPUBLISHED:
            return {"audit_log": [], "total": 0}
        history = state.track_records.nav_history(slug).select("date", pl.col("event").alias("type"), "detail")
        return {"audit_log": history.reverse().slice(offset, limit).to_dicts(), "total": history.height}

    return await published(request, state, slug, ("audit", limit, offset), make)


def _mark_corrected(records: list[dict[str, Any]], first: dict[date, First], capital: int) -> None:
    """Add to each corrected record its first figures: its NAV, and the returns that are others now."""
    if not first:
        return
    for record in records:
        was = first.get(record["date"])
        if was is None:
            continue
        returns = {"daily_return": was.daily_return, "benchmark_return": was.benchmark_return}
        changed = {f"first_{name}": value for name, value in returns.items() if value != record[name]}
        if changed or was.nav / capital != record["nav"]:
            difference = round(record["nav"] * capital - was.nav, 2) / capital
            nav = {"version": was.version, "first_nav": was.nav / capital, "difference": difference}
            record["corrected"] = nav | changed


async def published(
    request: Request,
    state: AppState,
    slug: str,
    key: tuple[Any, ...],
    make: Callable[[str, Visible], dict[str, Any]],
    *,
    from_history: bool = False,
) -> Response:
    """Answer from a public strategy, its creator's counts, its claim and the published version alone.

    `from_history`: it takes nothing but the track record, and its claim where there is one.
    """
    found, edition, version = await find_published(state, slug)
    tag = etag(version, slug, found.creator_counts, found.upload_id, *key)
    if is_current(request, tag):
        return unchanged(tag)

    def write() -> bytes:
        return dumps(make(version, found) | {"creator_counts": found.creator_counts._asdict()})

    at_hand = from_history and not found.upload_id and state.track_records.has_at_hand(slug)
    body = write() if at_hand else await to_thread.run_sync(write)
    state.response_cache.keep(edition, request.scope, tag, body)
    return tagged(request, tag, body)


async def find_published(state: AppState, slug: str) -> tuple[Visible, Edition | None, str]:
    """Return the public strategy of that slug, and the state that answers depend on; a hidden one is not found."""
    found = await state.public_index.find(slug)
    if found is None:
        raise not_found("Strategy")
    edition = state.response_cache.edition
    return found, edition, (edition[0] if edition else state.lens.version) or UNPUBLISHED
