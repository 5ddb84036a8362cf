"""Router of the list of public strategies: filtered, ordered, a page at a time. No login."""

from typing import Annotated

import polars as pl
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from countersign.api.app_state import AppState, State
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.responses.answers import dumps, etag, is_current, tagged, unchanged
from countersign.api.responses.errors import problems
from countersign.api.routers.public.track_records import PREFIX, UNCHANGED, UNPUBLISHED
from countersign.models.enums import SortKey
from countersign.models.wire.listing import StrategiesQuery
from countersign.models.wire.public import PublicStrategiesAnswer
from countersign.services.publication.public_strategies import describe_visible, find_visible
from countersign.services.publication.track_records import NOBODY

router = APIRouter(route_class=StrictRoute, prefix=PREFIX, tags=["public"])

# The sort keys of a list, each with its column of the standings.
FIGURES = {
    "trading_days": "trading_days",
    "latest_date": "session",
    "nav": "nav",
    "total_return": "cumulative_return",
    "daily_return": "daily_return",
    **{name: name for name in ("evaluated", "score", "sharpe", "max_drawdown", "psr")},
}


@router.get("", response_model=PublicStrategiesAnswer, responses=problems() | UNCHANGED)
def list_public_strategies(request: Request, state: State, asked: Annotated[StrategiesQuery, Query()]) -> Response:
    """List public strategies with their standings after their newest settled session.

    They come in the order asked for, best first, those without the figure last, ties newest first.
    """
    version, standings = _standings(state)
    with state.home.ledger.read() as db:
        page, total = choose(find_visible(db, asked), standings, asked)
        found = describe_visible(db, page["slug"].to_list())
    tag = etag(version, found, total)
    if is_current(request, tag):
        return unchanged(tag)

    def write() -> bytes:
        figures = page.select(*FIGURES).to_dicts()
        rows = [each | standing for each, standing in zip(found, figures, strict=True)]
        return dumps({"strategies": rows, "total": total})

    return tagged(request, tag, state.lists.get(version, tag, write))


def choose(rows: pl.DataFrame, standings: pl.DataFrame, asked: StrategiesQuery) -> tuple[pl.DataFrame, int]:
    """Put strategies (slug, newest first) in order, and cut out the page: slug and figures; and say how many there are.

    The ledger's filters have been applied; those of the standings are applied here.
    """
    column = FIGURES.get(asked.order, asked.order.value)
    if asked.order is not SortKey.NEWEST or asked.min_trading_days:
        wanted = {column, "trading_days"} - {SortKey.NEWEST.value}
        rows = _beside(rows, standings, *(pl.col(name) for name in wanted))
    if asked.min_trading_days:
        rows = rows.filter(pl.col("trading_days") >= asked.min_trading_days)
    if asked.order is not SortKey.NEWEST:
        descending = asked.order is not SortKey.MAX_DRAWDOWN
        rows = rows.sort(column, descending=descending, nulls_last=True, maintain_order=True)
    page = rows.slice(asked.offset, asked.limit).select("slug")
    shown = (pl.col(column).alias(name) for name, column in FIGURES.items())
    return _beside(page, standings, *shown).with_columns(pl.col("trading_days").fill_null(0)), rows.height


def _beside(rows: pl.DataFrame, standings: pl.DataFrame, *columns: pl.Expr) -> pl.DataFrame:
    chosen = standings.select(pl.col("strategy").alias("slug"), *columns)
    return rows.join(chosen, on="slug", how="left", maintain_order="left")


def _standings(state: AppState) -> tuple[str, pl.DataFrame]:
    return (UNPUBLISHED, NOBODY) if state.lens.version is None else state.track_records.standings()
