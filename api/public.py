"""Router of public strategies: the list, track records and audit logs. No login; only what is settled."""

from collections.abc import Callable
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.answers import dumps, etag, is_current, tagged, unchanged
from api.errors import not_found, problems
from api.paging import Limit, Offset
from api.state import Here, State
from models.enums import Universe
from models.wire.public import AuditAnswer, PublicStrategiesAnswer, TrackRecordAnswer
from store.published import read_audit, read_figures, read_nav_history
from store.visible import Visible, find_visible, list_visible

router = APIRouter(prefix="/api/v1/public/strategies", tags=["public"])

UNPUBLISHED = "unpublished"
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
    body = here.cache.find(version, tag)
    if body is None:
        figures = _figures(here, [each.shown["slug"] for each in found])
        rows = [each.shown | {"has_claimed": False} | figures.get(each.shown["slug"], NO_FIGURES) for each in found]
        body = dumps({"strategies": rows})
        here.cache.keep(version, tag, body)
    return tagged(request, tag, body)


@router.get("/{slug}/track-record", response_model=TrackRecordAnswer, responses=problems(404) | UNCHANGED)
async def track_record(request: Request, here: Here, slug: str) -> Response:
    """Show every settled session, oldest first; NAV starts from 1."""

    def make(version: str) -> bytes:
        found = find(here, slug)
        if version == UNPUBLISHED:
            return dumps({"records": []})
        with here.lens.use() as lens:
            rows = read_nav_history(lens, slug)
        return dumps({"records": [row | {"nav": float(row["nav"]) / found.initial_capital} for row in rows]})

    return await published(request, here, slug, ("track-record",), make)


@router.get("/{slug}/audit", response_model=AuditAnswer, responses=problems(404) | UNCHANGED)
async def audit(request: Request, here: Here, slug: str, limit: Limit = 50, offset: Offset = 0) -> Response:
    """Show what each settled session was, newest first: a rebalance, or a hold and why."""

    def make(version: str) -> bytes:
        if version == UNPUBLISHED:
            return dumps({"audit_log": [], "total": 0})
        with here.lens.use() as lens:
            rows, total = read_audit(lens, slug, limit, offset)
        return dumps({"audit_log": rows, "total": total})

    return await published(request, here, slug, ("audit", limit, offset), make)


async def published(
    request: Request, here: State, slug: str, key: tuple[Any, ...], make: Callable[[str], bytes]
) -> Response:
    """Answer what depends on a public strategy and the published version alone; made once for each version."""
    if not await here.shown.contains(slug):
        raise not_found("Strategy")
    version = here.lens.version or UNPUBLISHED
    tag = etag(version, slug, *key)
    if is_current(request, tag):
        return unchanged(tag)
    body = here.cache.find(version, tag)
    if body is None:
        body = await to_thread.run_sync(make, version)
        here.cache.keep(version, tag, body)
    return tagged(request, tag, body)


def find(here: State, slug: str) -> Visible:
    """Return the public strategy of that slug; a hidden one is not found."""
    with here.home.ledger.read() as db:
        found = find_visible(db, slug)
    if found is None:
        raise not_found("Strategy")
    return found


def _figures(here: State, slugs: list[str]) -> dict[str, dict[str, Any]]:
    if here.lens.version is None:
        return {}
    with here.lens.use() as lens:
        return read_figures(lens, slugs)
