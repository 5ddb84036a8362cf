"""Router of public strategies: the list, track records and audit logs. No login; only what is settled."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

import polars as pl
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.answers import dumps, etag, is_current, tagged, unchanged
from api.errors import not_found, problems
from api.paging import Limit, Offset
from api.quick import Edition
from api.state import Here, State
from models.enums import Universe
from models.wire.public import AuditAnswer, PublicStrategiesAnswer, TrackRecordAnswer
from store.published import RETURNS, read_figures
from store.visible import Visible, list_visible

router = APIRouter(prefix="/api/v1/public/strategies", tags=["public"])

UNPUBLISHED = "unpublished"
RECORD = ("date", "nav", *RETURNS)
NO_FIGURES: dict[str, Any] = {
    "trading_days": 0,
    "latest_date": None,
    "nav": None,
    "total_return": None,
    "daily_return": None,
}
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "The reader has it already, by its ETag"}}


@router.get("", response_model=PublicStrategiesAnswer, responses=problems() | UNCHANGED)
def strategies(
    request: Request,
    here: Here,
    universe: Annotated[Universe | None, Query(examples=["hs300"])] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Response:
    """List public strategies, newest first, and where they stand after their newest settled session."""
    with here.home.ledger.read() as db:
        found = list_visible(db, universe, limit, offset)
    version = here.lens.version or UNPUBLISHED
    tag = etag(version, found)
    if is_current(request, tag):
        return unchanged(tag)
    body = here.lists.find(version, tag)
    if body is None:
        figures = _figures(here, [each["slug"] for each in found])
        rows = [each | {"has_claimed": False} | figures.get(each["slug"], NO_FIGURES) for each in found]
        body = dumps({"strategies": rows})
        here.lists.keep(version, tag, body)
    return tagged(request, tag, body)


@router.get("/{slug}/track-record", response_model=TrackRecordAnswer, responses=problems(404) | UNCHANGED)
async def track_record(request: Request, here: Here, slug: str) -> Response:
    """Show every settled session, oldest first; NAV starts from 1.

    A session whose NAV a correction changed also says what it was first, in `corrected`.
    """

    def make(version: str, found: Visible) -> dict[str, Any]:
        if version == UNPUBLISHED:
            return {"records": []}
        history, first = here.published.track_record(slug)
        # By columns: to have polars make the rows takes three times as long as all the rest.
        dates, navs, *returns = (history[name].to_list() for name in ("date", "nav", *RETURNS))
        rows = zip(dates, (nav / found.initial_capital for nav in navs), *returns, strict=True)
        records = [dict(zip(RECORD, row, strict=True)) for row in rows]
        _mark_corrected(records, first, found.initial_capital)
        return {"records": records}

    return await published(request, here, slug, ("track-record",), make)


@router.get("/{slug}/audit", response_model=AuditAnswer, responses=problems(404) | UNCHANGED)
async def audit(request: Request, here: Here, slug: str, limit: Limit = 50, offset: Offset = 0) -> Response:
    """Show what each settled session was, newest first: a rebalance, or a hold and why."""

    def make(version: str, _found: Visible) -> dict[str, Any]:
        if version == UNPUBLISHED:
            return {"audit_log": [], "total": 0}
        history = here.published.nav_history(slug).select("date", pl.col("event").alias("type"), "detail")
        return {"audit_log": history.reverse().slice(offset, limit).to_dicts(), "total": history.height}

    return await published(request, here, slug, ("audit", limit, offset), make)


def _mark_corrected(records: list[dict[str, Any]], first: dict[date, tuple[int, float]], capital: int) -> None:
    """Say of each record that a correction changed what its NAV was first."""
    if not first:
        return
    for record in records:
        version, nav = first.get(record["date"], (1, None))
        if nav is not None and nav / capital != record["nav"]:
            difference = round(record["nav"] * capital - nav, 2) / capital
            record["corrected"] = {"version": version, "first_nav": nav / capital, "difference": difference}


async def published(
    request: Request,
    here: State,
    slug: str,
    key: tuple[Any, ...],
    make: Callable[[str, Visible], dict[str, Any]],
) -> Response:
    """Answer what depends on a public strategy, its creator's counts and the published version alone."""
    found, edition, version = await look_up(here, slug)
    tag = etag(version, slug, found.creator_counts, *key)
    if is_current(request, tag):
        return unchanged(tag)

    def write() -> bytes:
        return dumps(make(version, found) | {"creator_counts": found.creator_counts._asdict()})

    body = await to_thread.run_sync(write)
    here.answers.keep(edition, request.scope, tag, body)
    return tagged(request, tag, body)


async def look_up(here: State, slug: str) -> tuple[Visible, Edition | None, str]:
    """Return the public strategy of that slug, and what answers about it depend on; a hidden one is not found."""
    found = await here.shown.find(slug)
    if found is None:
        raise not_found("Strategy")
    edition = here.answers.edition
    return found, edition, (edition[0] if edition else here.lens.version) or UNPUBLISHED


def _figures(here: State, slugs: list[str]) -> dict[str, dict[str, Any]]:
    if here.lens.version is None:
        return {}
    with here.lens.use() as lens:
        return read_figures(lens, slugs)
