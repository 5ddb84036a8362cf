"""Evaluation: every metric of NAV histories, and a score from 0 to 100 with its parts.

Pure: histories in, figures out, for any number of sessions in one pass; evaluating a session by itself gives the same
bits. Which sessions are evaluated and where figures are kept is the caller's business. The running moments are in
`domain.evaluation.kernel`, the comparison of claims with settled NAV is in `domain.evaluation.tracking`.

Where the definitions leave room, these rules decide:

- r of the first session is against the initial capital. Sharpe ratios are against a risk-free rate of 0, standard
  deviations are of the sample (n − 1), a year has 252 sessions.
- Undefined is null, never 0 or NaN: rates and deviations before the second session, ratios whose denominator is 0 (of a
  deviation: under 1e-14, which is rounding), a track record that at its mean return would never do.
- A session whose benchmark return is unknown is left out of excess_sharpe; its windows have no rolling value, and
  benchmark_return and excess_return, which need all of them, are null from there on.
- turnover counts buys and sells, each session's against the NAV of the session before.
- psr, min_track_record: Bailey and López de Prado, The Sharpe Ratio Efficient Frontier (2012), of the Sharpe ratio of
  a session, with skewness m3 / m2^1.5 and kurtosis m4 / m2² of the sample. deflated_sharpe: theirs too, The Deflated
  Sharpe Ratio (2014): psr against the maximum to be expected of N trials without skill, which is
  √V · ((1 − γ)·Z⁻¹(1 − 1/N) + γ·Z⁻¹(1 − 1/(N·e))), γ Euler's constant. V is the variance of the Sharpe ratios of the
  owner's strategies with 20 sessions or more, where there are two of them (a retired one's stays as it was at its
  end); else the squared standard error of the strategy's own. Of one trial the expected maximum is 0.
- A part of the score that is not defined yet adds nothing.
"""

import math
from datetime import date
from statistics import NormalDist

import numpy as np
import polars as pl

from countersign.domain.arrays import Floats, Integers
from countersign.domain.checks import require
from countersign.domain.settlement.books import codes, fen_of, money
from countersign.models.datasets import EVALUATIONS, MONEY, ColumnType
from countersign.models.enums import Verdict
from countersign.models.errors import InputError

NAV_SCHEMA: dict[str, ColumnType] = {
    "strategy": pl.String,
    "session": pl.Date,
    "nav": MONEY,
    "benchmark_return": pl.Float64,
}
STRATEGIES_SCHEMA: dict[str, ColumnType] = {
    "strategy": pl.String,
    "owner": pl.String,
    "initial_capital": pl.Int64,
    "opened": pl.Date,
}
VERDICTS_SCHEMA: dict[str, ColumnType] = {"strategy": pl.String, "session": pl.Date, "verdict": pl.String}
TRADING_SCHEMA: dict[str, ColumnType] = {
    "strategy": pl.String,
    "session": pl.Date,
    "notional": MONEY,
    "costs": MONEY,
}
CARRIED_SCHEMA: dict[str, ColumnType] = {"strategy": pl.String, "traded": pl.Float64, "costs": MONEY}

MIN_SCORED_SESSIONS = 20
FULL_SCORE_SESSIONS = 252
TOLERATED_DRAWDOWN = 0.20
CLAIM_POINTS = {
    Verdict.CONSISTENT: 1.0,
    Verdict.MODERATE_DIVERGENCE: 0.5,
    Verdict.SIGNIFICANT_DIVERGENCE: 0.0,
}
EULER = 0.5772156649015329


def evaluate(
    nav: pl.DataFrame,
    since: date,
    *,
    strategies: pl.DataFrame,
    verdicts: pl.DataFrame,
    trading: pl.DataFrame,
    carried: pl.DataFrame,
) -> pl.DataFrame:
    """Evaluate each session in `nav` from `since` on; rows in the schema of EVALUATIONS, by session, then strategy.

    nav: all history, a row a strategy and session. strategies: every one ever opened, with its initial capital (CNY)
    and the day it was opened. verdicts: on claimed performances as of the sessions to evaluate; no row where there is
    none. trading: of these sessions, traded notional and costs. carried: traded and costs of the session before
    `since`, as it was evaluated; no rows where there was none. InputError if a frame is not as described.
    """
    from countersign.domain.evaluation.kernel import measure, weigh  # noqa: PLC0415 - brings a compiler in, see services/factors/measuring.py

    require("nav", nav, NAV_SCHEMA)
    require("strategies", strategies, STRATEGIES_SCHEMA)
    require("verdicts", verdicts, VERDICTS_SCHEMA)
    require("trading", trading, TRADING_SCHEMA)
    require("carried", carried, CARRIED_SCHEMA)
    tracked = nav["strategy"].unique()
    ours = strategies.filter(pl.col("strategy").is_in(tracked.implode())).sort("strategy")
    if ours.height != tracked.len():
        raise InputError("nav", "strategies of strategies only", f"{tracked.len()} of which {ours.height} are known")
    days = nav["session"].unique().sort()
    first, capital = int(days.search_sorted(since)), ours["initial_capital"].to_numpy() * 100.0
    levels, benchmark = _lay_out(nav, ours["strategy"], days)
    figures = measure(levels, benchmark, capital, first)
    owners = strategies["owner"].unique().sort()
    owner, trials = codes(ours["owner"], owners), count_trials(strategies, owners, days[first:])
    expected = np.array([expected_maximum(n) for n in range(int(trials.max(initial=0)) + 1)])
    before = np.column_stack((capital, levels))[:, first:-1]
    equity = np.where(np.isnan(before), capital[:, None], before)
    traded, costs = _spent(ours["strategy"], days[first:], equity, trading, carried)
    tables = {
        **figures._asdict(),
        **weigh(figures, owner, expected, trials)._asdict(),
        "rolling_excess_sharpe": figures.rolling[:, first:],
        "turnover": traded / np.maximum(figures.sessions, 1),
        "cost": costs / capital[:, None],
        "trials": trials[owner],
        "traded": traded,
        "costs": costs,
    }
    at, who = np.nonzero(~np.isnan(levels[:, first:]).T)
    rows = {name: tables[name][who, at] for name in tables if name in EVALUATIONS.schema or name == "share_above"}
    frame = pl.DataFrame(
        {
            "strategy": ours["strategy"].gather(who),
            "session": days[first:].gather(at),
            **rows,
        }
    ).with_columns(money(pl.col("costs").cast(pl.Int64)))
    judged = frame.join(verdicts, on=["strategy", "session"], how="left", validate="1:1", maintain_order="left")
    known = judged.with_columns(pl.when(pl.col(pl.Float64).is_finite()).then(pl.col(pl.Float64)))
    scored = add_score(known.with_columns(pl.col("min_track_record").ceil()))
    return scored.select(pl.col(name).cast(kind, strict=False) for name, kind in EVALUATIONS.schema.items())


def add_score(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the score and its parts, in points.

    Of `rows` it takes sessions, psr, share_above (of the rolling excess Sharpe ratios, those above 0), max_drawdown and
    verdict.
    """
    sessions, verdict = pl.col("sessions"), pl.col("verdict")
    claim = (
        pl.when(verdict.is_null())
        .then(pl.when(sessions >= FULL_SCORE_SESSIONS).then(1.0).otherwise(0.5))
        .otherwise(verdict.replace_strict(CLAIM_POINTS, return_dtype=pl.Float64))
    )
    parts = {
        "score_psr": 35.0 * pl.col("psr").fill_null(0.0),
        "score_excess": 20.0 * pl.col("share_above").fill_null(0.0),
        "score_drawdown": 20.0 / (1.0 + (pl.col("max_drawdown") / TOLERATED_DRAWDOWN) ** 2),
        "score_length": 15.0 * (sessions / FULL_SCORE_SESSIONS).clip(upper_bound=1.0),
        "score_claim": 10.0 * claim,
    }
    ripe = sessions >= MIN_SCORED_SESSIONS
    return rows.with_columns(pl.when(ripe).then(part).alias(name) for name, part in parts.items()).with_columns(
        score=pl.sum_horizontal(*parts, ignore_nulls=False)
    )


def expected_maximum(trials: int) -> float:
    """Give the expected maximum of so many independent standard normals, by Bailey and López de Prado (2014)."""
    if trials < 2:
        return 0.0
    quantile = NormalDist().inv_cdf
    return -(1.0 - EULER) * quantile(1.0 / trials) - EULER * quantile(1.0 / (trials * math.e))


def count_trials(strategies: pl.DataFrame, owners: pl.Series, sessions: pl.Series) -> Integers:
    """Count the strategies that each owner had opened by each session: owners × sessions."""
    opened = sessions.search_sorted(strategies["opened"]).to_numpy()
    fresh = np.zeros((owners.len(), sessions.len() + 1), np.int64)
    np.add.at(fresh, (codes(strategies["owner"], owners), opened), 1)
    return fresh.cumsum(axis=1)[:, :-1]


def _lay_out(nav: pl.DataFrame, names: pl.Series, days: pl.Series) -> tuple[Floats, Floats]:
    """NAV in fen and benchmark returns, strategies × sessions; nan where there is none."""
    cells = codes(nav["strategy"], names), days.search_sorted(nav["session"]).to_numpy()
    levels, benchmark = (np.full((names.len(), days.len()), np.nan) for _ in range(2))
    levels[cells] = fen_of(nav["nav"])
    if np.count_nonzero(~np.isnan(levels)) != nav.height:
        raise InputError("nav", "one row a strategy and session", "several of one")
    benchmark[cells] = nav["benchmark_return"].fill_null(np.nan).to_numpy()
    return levels, benchmark


def _spent(
    names: pl.Series, days: pl.Series, equity: Floats, trading: pl.DataFrame, carried: pl.DataFrame
) -> tuple[Floats, Floats]:
    """Sums so far of traded notional / equity, and of costs in fen; added in the order of sessions."""
    trading = trading.filter(pl.col("strategy").is_in(names.implode()), pl.col("session").is_in(days.implode()))
    carried = carried.filter(pl.col("strategy").is_in(names.implode()))
    cells = codes(trading["strategy"], names), days.search_sorted(trading["session"]).to_numpy() + 1
    traded, costs = (np.zeros((names.len(), days.len() + 1)) for _ in range(2))
    place = codes(carried["strategy"], names)
    traded[place, 0] = carried["traded"].fill_null(np.nan).to_numpy()
    costs[place, 0] = fen_of(carried["costs"])
    traded[cells] = fen_of(trading["notional"])
    with np.errstate(divide="ignore", invalid="ignore"):
        traded[:, 1:] /= equity
    costs[cells] = fen_of(trading["costs"])
    return traded.cumsum(axis=1)[:, 1:], costs.cumsum(axis=1)[:, 1:]
