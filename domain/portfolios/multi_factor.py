"""Multi-factor portfolios: the target weights that the newest values of several factors make together.

Pure. All portfolios of a session are made in one call; one that cannot be made says why, as data.
"""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from itertools import compress
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from countersign.domain.arrays import Codes, Flags, Floats
from countersign.domain.checks import Rule, forbid, refuse, repeated, require
from countersign.domain.factors.panel import VALUES_SCHEMA, check_values, name_codes, names_in, session_codes, spread
from countersign.models.datasets import ColumnType
from countersign.models.enums import Weighting
from countersign.models.errors import InputError

PORTFOLIOS_SCHEMA: dict[str, ColumnType] = {"portfolio": pl.String, "weighting": pl.String, "top_n": pl.Int64}
MEMBERS_SCHEMA: dict[str, ColumnType] = {"portfolio": pl.String, "factor": pl.String}
FACTORS_SCHEMA: dict[str, ColumnType] = {"factor": pl.String, "ic_mean": pl.Float64, "ic_ir": pl.Float64}
WEIGHTS_SCHEMA: dict[str, ColumnType] = {"portfolio": pl.String, "symbol": pl.String, "weight": pl.Float64}
FAILURES_SCHEMA: dict[str, ColumnType] = {"portfolio": pl.String, "reason": pl.String, "factors": pl.List(pl.String)}
STALE_SESSIONS = 5
SCORE_DECIMALS = 12


class Failure(StrEnum):
    """Reason for which a portfolio has no signal."""

    NO_FACTORS = "NO_FACTORS"
    NO_VALUES = "NO_VALUES"
    STALE_VALUES = "STALE_VALUES"
    NO_DIRECTION = "NO_DIRECTION"
    NO_COMMON_SYMBOL = "NO_COMMON_SYMBOL"


class Combined(NamedTuple):
    """Signals of one session: weights (portfolio, symbol, weight; both ascending), and the portfolios without one
    (portfolio, reason, the factors at fault; ascending).
    """

    weights: pl.DataFrame
    failures: pl.DataFrame


class _Factors(NamedTuple):
    """By factor code: z-scores (factors × symbols), sessions since its values, ic_mean and ic_ir; nan: none."""

    scores: Floats
    age: Floats
    ic_mean: Floats
    ic_ir: Floats


def combine(
    session: date,
    *,
    portfolios: pl.DataFrame,
    members: pl.DataFrame,
    factors: pl.DataFrame,
    values: pl.DataFrame,
    sessions: Sequence[date],
) -> Combined:
    """Make the signals of every portfolio for `session`.

    `portfolios` are portfolio, weighting, top_n; `members` portfolio, factor; `factors` every member's factor, ic_mean,
    ic_ir; `values` factor, session, symbol, value: each factor's newest cross-section dated before `session`.
    `sessions` is the calendar from the oldest values to `session` at least.

    Score of a symbol that all members cover: Σ weight × sign(ic_mean) × z, where z is over all of a factor's own
    symbols (sample deviation; a constant cross-section scores 0) and the weight is 1/N, or abs(ic_ir) over their sum.
    The best top_n by score, ties by symbol, get 1/top_n each; scores are rounded to 12 decimals, so that ties are not
    decided by the order of a sum. Values older than 5 sessions (those of the session before being 1 old) make no
    signal, nor does a factor whose direction, or ic_ir where that is the weight, is unknown or 0.

    Raises InputError for repeated rows, unknown factors and portfolios, values of different sessions for one factor,
    values dated at or after `session`, outside the calendar, or not finite.
    """
    _check(session, portfolios, members, factors, values)
    portfolios = portfolios.sort("portfolio")
    symbols = names_in("values", values) if values.height else pl.Series([], dtype=pl.String)
    state = _state(session, factors, values, symbols, sessions)
    coded = members.with_columns(place=pl.Series(name_codes(members["factor"], factors["factor"]))).sort("factor")
    grouped = coded.group_by("portfolio", maintain_order=True).agg("factor", "place")
    member_of = {name: (own, np.array(places, np.int32)) for name, own, places in grouped.iter_rows()}
    weights, failures = [], []
    for portfolio, weighting, top_n in portfolios.select("portfolio", "weighting", "top_n").iter_rows():
        own, places = member_of.get(portfolio, ([], np.empty(0, np.int32)))
        reason, at_fault = _obstacle(state, places, weighting)
        chosen = np.empty(0, np.int64)
        if reason is None:
            chosen = _best(state, places, weighting, top_n)
            reason = None if chosen.size else Failure.NO_COMMON_SYMBOL
        if reason is None:
            weights.append((portfolio, symbols.gather(np.sort(chosen)), 1 / top_n))
        else:
            failures.append((portfolio, str(reason), list(compress(own, at_fault))))
    signals = pl.DataFrame(
        weights, schema={"portfolio": pl.String, "symbol": pl.List(pl.String), "weight": pl.Float64}, orient="row"
    )
    return Combined(signals.explode("symbol"), pl.DataFrame(failures, schema=FAILURES_SCHEMA, orient="row"))


def _check(
    session: date, portfolios: pl.DataFrame, members: pl.DataFrame, factors: pl.DataFrame, values: pl.DataFrame
) -> None:
    """Refuse the input that the docstring of `combine` names."""
    require("portfolios", portfolios, PORTFOLIOS_SCHEMA)
    require("members", members, MEMBERS_SCHEMA)
    require("factors", factors, FACTORS_SCHEMA)
    frames = {"portfolios": portfolios, "members": members, "factors": factors}
    unknown_weighting = ~pl.col("weighting").is_in(list(Weighting)).fill_null(value=False)
    repeated_member = pl.struct("portfolio", "factor").is_duplicated()
    rules = [
        Rule("portfolios", "portfolios", "one row a portfolio", repeated("portfolio")),
        Rule("portfolios", "portfolios.weighting", " or ".join(Weighting), unknown_weighting),
        Rule("portfolios", "portfolios.top_n", "at least 1", ~(pl.col("top_n") >= 1).fill_null(value=False)),
        Rule("members", "members", "one row a member", repeated_member),
        *(
            Rule("members", f"members.{name}", f"one of the {name}s", ~pl.col(name).is_in(known[name].implode()))
            for name, known in (("portfolio", portfolios), ("factor", factors))
        ),
        Rule("factors", "factors", "one row a factor", repeated("factor")),
    ]
    forbid(frames, rules)
    if values.is_empty():
        return
    check_values("values", values, {"factor": pl.String, **VALUES_SCHEMA})
    refuse("values.session", f"sessions before {session}", values, pl.col("session") >= session)
    dated = values.group_by("factor").agg(first=pl.col("session").min(), last=pl.col("session").max())
    refuse("values.session", "one session a factor", dated, pl.col("first") != pl.col("last"))


def _state(
    session: date, factors: pl.DataFrame, values: pl.DataFrame, symbols: pl.Series, sessions: Sequence[date]
) -> _Factors:
    """State of every factor; values of factors that are not asked for are left out."""
    names = factors["factor"]
    age = np.full(names.len(), np.nan)
    scores = np.full((names.len(), symbols.len()), np.nan)
    if values.height:
        dated = values.group_by("factor").agg(pl.col("session").first())
        today, since = session_codes(pl.Series([session]), sessions), session_codes(dated["session"], sessions)
        if today[0] < 0 or (since < 0).any():
            raise InputError("sessions", f"the calendar from the oldest values to {session}")
        of_factor = name_codes(dated["factor"], names)
        age[of_factor[of_factor >= 0]] = (today[0] - since)[of_factor >= 0]
        scores = z_scores(spread("values", values, name_codes(values["factor"], names), names.len(), symbols))
    floats = (np.array(factors[name].fill_null(np.nan)) for name in ("ic_mean", "ic_ir"))
    return _Factors(scores, age, *floats)


def z_scores(panel: Floats) -> Floats:
    """(value − mean) / sample deviation of each row, nan where there is no value; a constant row scores 0."""
    # Symbols go down: sums along the first axis add one row after another, so that a symbol which a factor lacks does
    # not change the last bits of its scores, as the pairs of a pairwise sum would.
    values = np.ascontiguousarray(panel.T)
    there = ~np.isnan(values)
    count = np.count_nonzero(there, axis=0)
    # Against overflow of the squares: the scale of a cross-section does not matter.
    scale = np.fmax.reduce(np.abs(values), axis=0)
    values /= np.where(scale > 0, scale, 1.0)
    off = values - np.where(there, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    deviation = np.sqrt((np.where(there, off, 0.0) ** 2).sum(axis=0) / np.maximum(count - 1, 1))
    flat = (np.fmax.reduce(values, axis=0) == np.fmin.reduce(values, axis=0)) | (deviation == 0)
    scores = np.where(flat, 0.0, off / np.where(flat, 1.0, deviation))
    return np.where(there, scores, np.nan).T


def _obstacle(state: _Factors, places: Codes, weighting: str) -> tuple[Failure | None, Flags]:
    """First reason, if any, against a portfolio of these factors, and the factors that it applies to."""
    direction, ratio = state.ic_mean[places], state.ic_ir[places]
    pathless = np.isnan(direction) | (direction == 0)
    if weighting == Weighting.IC_WEIGHTED:
        pathless |= np.isnan(ratio) | (ratio == 0)
    against = {
        Failure.NO_VALUES: np.isnan(state.age[places]),
        Failure.STALE_VALUES: state.age[places] > STALE_SESSIONS,
        Failure.NO_DIRECTION: pathless,
    }
    if not places.size:
        return Failure.NO_FACTORS, pathless
    for reason, at_fault in against.items():
        if at_fault.any():
            return reason, at_fault
    return None, np.ones(places.size, bool)


def _best(state: _Factors, places: Codes, weighting: str, top_n: int) -> NDArray[np.intp]:
    """Codes of the symbols with the best scores, at most top_n, best first; codes ascend with the symbols."""
    share = np.abs(state.ic_ir[places]) if weighting == Weighting.IC_WEIGHTED else np.ones(places.size)
    signed = share / share.sum() * np.sign(state.ic_mean[places])
    # Row by row, so that the same members always add up to the same bits; nan where a member has no value.
    score = np.round(np.add.reduce(signed[:, None] * state.scores[places], axis=0), SCORE_DECIMALS)
    order = np.argsort(-score, kind="stable")
    return order[: min(top_n, np.count_nonzero(~np.isnan(score)))]
