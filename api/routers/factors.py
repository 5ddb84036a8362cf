"""Router of factors: opening, listing, changing and deleting them, and the series that validation made."""

from typing import Annotated, Any, Literal

import orjson
import polars as pl
from fastapi import APIRouter, Query

from countersign.api.app_state import AppState, Now, State
from countersign.api.identity import Account
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.responses.answers import Json
from countersign.api.responses.errors import problems
from countersign.api.responses.paging import Limit, LongId, Offset
from countersign.models.enums import FactorStatus, FactorUniverse
from countersign.models.tables.accounts import User
from countersign.models.tables.factors import Factor, FactorTerms
from countersign.models.wire.base import Deleted
from countersign.models.wire.factors import (
    ChartAnswer,
    FactorAnswer,
    FactorChange,
    FactorDetailAnswer,
    FactorsAnswer,
    IcSeriesAnswer,
    InSample,
    NewFactor,
)
from countersign.services.factors import lifecycle
from countersign.services.factors.lifecycle import open_factor, own_factor
from countersign.services.factors.series import read_series

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/factors", tags=["factors"])

Order = Literal["-created_at", "created_at", "-ic_mean", "ic_mean", "-ic_ir", "ic_ir"]
PLAIN = ("id", "name", "universe", "status", "description", "expression")
LISTS = ("ic_decay", "checks", "yearly_stats")
TIMES = ("submitted_at", "validated_at", "created_at")


@router.post("", status_code=201, response_model=FactorAnswer, responses=problems(401, 403))
def create_factor(state: State, user: Account, now: Now, body: NewFactor) -> Json:
    """Open a factor. It is a draft until it has values for 120 sessions. Each call opens another one."""
    with state.home.ledger.write() as db:
        factor = open_factor(db, user, FactorTerms(**body.model_dump()), now)
    return Json(shape(factor), 201)


@router.get("", response_model=FactorsAnswer, responses=problems(401, 403))
def list_factors(
    state: State,
    user: Account,
    status: Annotated[FactorStatus | None, Query(examples=["active"])] = None,
    universe: Annotated[FactorUniverse | None, Query(examples=["hs300"])] = None,
    order: Annotated[Order, Query(description="a minus: largest, or newest, first; what is not known comes last")] = (
        "-created_at"
    ),
    limit: Limit = 50,
    offset: Offset = 0,
) -> Json:
    """List one's factors, newest first unless asked for otherwise."""
    with state.home.ledger.read() as db:
        found = lifecycle.list_factors(
            db, user.id, status=status, universe=universe, order=order, limit=limit, offset=offset
        )
    return Json({"factors": [shape(factor) for factor in found]})


@router.get("/{factor_id}", response_model=FactorDetailAnswer, responses=problems(401, 403, 404))
def show_factor(state: State, user: Account, factor_id: LongId) -> Json:
    """Show one of one's factors, with its series."""
    return Json(detail(state, find(state, user, factor_id)))


@router.patch("/{factor_id}", response_model=FactorAnswer, responses=problems(401, 403, 404))
def change_factor(state: State, user: Account, factor_id: LongId, body: FactorChange) -> Json:
    """Change name, description or expression, of a draft or rejected factor only."""
    with state.home.ledger.write() as db:
        found = own_factor(db, user.id, factor_id)
        lifecycle.change_factor(db, found, body.model_dump(include=body.model_fields_set))
    return Json(shape(found))


@router.delete("/{factor_id}", response_model=Deleted, responses=problems(401, 403, 404))
def delete_factor(state: State, user: Account, now: Now, factor_id: LongId) -> Json:
    """Delete a factor with its values, a draft or rejected one only."""
    with state.home.ledger.write() as db:
        lifecycle.delete_factor(db, state.home.lake, own_factor(db, user.id, factor_id), now)
    return Json({"deleted": True})


@router.get("/{factor_id}/ic-series", response_model=IcSeriesAnswer, responses=problems(401, 403, 404))
def show_ic_series(state: State, user: Account, factor_id: LongId) -> Json:
    """List the in-sample IC of each session that counts, oldest first; none before validation."""
    found = find(state, user, factor_id)
    return Json({"records": _series(state, found)["ic_series"]})


@router.get("/{factor_id}/chart-data", response_model=ChartAnswer, responses=problems(401, 403, 404))
def show_chart_data(state: State, user: Account, factor_id: LongId) -> Json:
    """Show all series in one answer; they are empty before validation."""
    found = find(state, user, factor_id)
    return Json(_series(state, found) | {"yearly_stats": shape(found)["yearly_stats"]})


def find(state: AppState, user: User, factor_id: str) -> Factor:
    """Return one of one's factors."""
    with state.home.ledger.read() as db:
        return own_factor(db, user.id, factor_id)


def detail(state: AppState, factor: Factor) -> dict[str, Any]:
    """Return a factor with its series as they go over the wire."""
    return shape(factor) | _series(state, factor)


def shape(factor: Factor) -> dict[str, Any]:
    """Return a factor as it goes over the wire."""
    lists = {name: orjson.loads(getattr(factor, name) or b"null") for name in LISTS}
    return {
        **{name: getattr(factor, name) for name in PLAIN},
        "is": {name: lists[name] if name in lists else getattr(factor, name) for name in InSample.model_fields},
        "os": {
            **{name: getattr(factor, f"os_{name}") for name in ("ic_mean_30d", "ic_mean_60d", "ic_mean_120d")},
            "start_date": factor.os_start_date,
            "sessions": factor.os_sessions,
            "late": factor.os_late,
        },
        "claimed": {"ic_mean": factor.claimed_ic_mean, "ic_ir": factor.claimed_ic_ir},
        "checks": lists["checks"],
        "reject_reason": factor.reject_reason,
        "yearly_stats": lists["yearly_stats"],
        **{name: getattr(factor, name) for name in TIMES},
    }


def _series(state: AppState, factor: Factor) -> dict[str, list[dict[str, Any]]]:
    series = read_series(state.home.lake, factor.id).rename({"session": "date"})
    returns = series.drop_nulls("ls_return").with_columns(cumulative=(pl.col("ls_return") + 1).cum_prod())
    return {
        "ic_series": series.drop_nulls("ic").select("date", "ic").to_dicts(),
        "ls_cumulative_returns": returns.select("date", "ls_return", "cumulative").to_dicts(),
    }
