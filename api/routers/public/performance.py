"""Router of public performance: every metric of a strategy, and its researcher's claim. No login."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
from fastapi import APIRouter, Request
from starlette.responses import Response

from countersign.api.app_state import AppState, State
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.responses.errors import not_found, problems
from countersign.api.responses.paging import Slug
from countersign.api.routers.claimed_performance import BEFORE, moved_answers, moved_to, show_public
from countersign.api.routers.public.track_records import PREFIX, UNCHANGED, UNPUBLISHED, find_published, published
from countersign.domain.evaluation.kernel import WINDOW, measure
from countersign.models.wire.performance import Metrics, PerformanceAnswer, ScoreParts
from countersign.models.wire.public import PublicClaimedAnswer
from countersign.services.publication.public_strategies import Visible

router = APIRouter(route_class=StrictRoute, prefix=PREFIX, tags=["public"])

METRICS = tuple(name for name in Metrics.model_fields if name != "trading_days")
PARTS = tuple(ScoreParts.model_fields)
OTHERS = ("evaluated", "score", "sortino", "turnover", "cost", "psr", "deflated_sharpe", "trials", "min_track_record")


@router.get("/{slug}/performance", response_model=PerformanceAnswer, responses=problems(404) | UNCHANGED)
async def show_performance(request: Request, state: State, slug: Slug) -> Response:
    """Show every metric, the score with its parts, and how likely it is luck, as of the newest evaluation."""

    def make(version: str, found: Visible) -> dict[str, Any]:
        standing = {} if version == UNPUBLISHED else state.track_records.standing(slug)
        evaluated = standing.get("evaluated")
        return {
            **{name: standing.get(name) for name in OTHERS},
            "metrics": {name: standing.get(name) for name in METRICS} | {"trading_days": standing.get("sessions") or 0},
            "score_parts": {name: standing.get(f"score_{name}") for name in PARTS},
            "rolling_excess_sharpe": _rolling(state, slug, found, evaluated) if evaluated else [],
        }

    return await published(request, state, slug, ("performance",), make)


@router.get("/{slug}/claimed", response_model=PublicClaimedAnswer, responses=problems(404) | UNCHANGED)
async def show_public_claimed_performance(request: Request, state: State, slug: Slug) -> Response:
    """Show the claim, its time of upload, the count of its replacements, and how it compares with the track record."""

    def make(_version: str, found: Visible) -> dict[str, Any]:
        shown = show_public(state, slug, found.id)
        if shown is None:
            raise not_found("Claimed performance")
        return shown

    found, *_ = await find_published(state, slug)
    if found.upload_id is None:
        raise not_found("Claimed performance")
    return await published(request, state, slug, ("claimed",), make)


@router.get("/{slug}/backtest", responses=moved_answers(PublicClaimedAnswer), **BEFORE)
async def show_public_claimed_performance_moved(slug: Slug) -> Response:
    """Point to /claimed, where this has moved."""
    return moved_to(PREFIX, slug)


def _rolling(state: AppState, slug: str, found: Visible, evaluated: date) -> list[dict[str, Any]]:
    history = state.track_records.nav_history(slug).filter(pl.col("date") <= evaluated)
    # In whole fen, as it is evaluated.
    nav = np.round(history["nav"].to_numpy() * 100).reshape(1, -1)
    benchmark = history["benchmark_return"].fill_null(np.nan).to_numpy().reshape(1, -1)
    rolling = measure(nav, benchmark, np.array([found.initial_capital * 100.0]), history.height - 1).rolling[0]
    values = history.select("date", value=pl.Series(rolling).fill_nan(None))
    return values[WINDOW - 1 :].to_dicts()
