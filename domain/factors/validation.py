"""Factor evaluation: a researcher's values measured on the platform's own closes, and the checks that admit a factor.

Pure: frames in, one report out. With values f[t] known after the close of session t, and adjusted closes c, the forward
return is r[t] = c[t+2] / c[t+1] − 1 (delay 1: trade at the close of t+1, hold one session). A session counts where at
least 10 symbols have both and neither is constant; the others are null in every series and left out of every mean.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl

from countersign.domain.arrays import Codes, Floats
from countersign.domain.checks import require
from countersign.domain.factors import figures, kernel
from countersign.domain.factors.figures import YearlyStats
from countersign.domain.factors.panel import (
    CLOSES_SCHEMA,
    MEMBERS_SCHEMA,
    VALUES_SCHEMA,
    Ranks,
    check_values,
    correlations,
    make_panel,
    names_in,
    rank_panel,
    session_codes,
    session_returns,
)
from countersign.models.errors import InputError

DELAY = 1
DECAY_SESSIONS = 5
LEAST_IC_MEAN = 0.015
LEAST_IC_IR = 0.15
MOST_TURNOVER = 0.35
MOST_CORRELATION = 0.7
LEAST_SESSIONS = 120
THREADS = 2


class AdmissionCheck(NamedTuple):
    """Check of one figure (absolute, if it has a sign) against a threshold, and whether it passed."""

    value: float | None
    threshold: float
    passed: bool


@dataclass(frozen=True)
class FactorReport:
    """Every figure of a factor; None and null where one is not defined, never 0 and never nan.

    Series have a row for every session with values. `ic`: session, ic, symbols (those with a value and a return).
    `ls_returns`: session, ls_return, cumulative (product of 1 + ls_return so far). `quintile_returns`: session, q1 to
    q5, mean forward returns from the lowest values to the highest. Returns are fractions of one session.
    """

    ic: pl.DataFrame
    ls_returns: pl.DataFrame
    quintile_returns: pl.DataFrame
    ic_mean: float | None
    ic_ir: float | None
    ic_decay: tuple[float | None, ...]
    quintile_means: tuple[float | None, ...]
    turnover: float | None
    sharpe: float | None
    fitness: float | None
    coverage: float | None
    data_days: int
    correlations: dict[str, float | None]
    max_correlation: float | None
    max_correlation_factor: str | None
    yearly_stats: tuple[YearlyStats, ...]
    newey_west_t: float | None
    ic_positive_share: float | None
    checks: dict[str, AdmissionCheck]
    passed: bool


def evaluate_factor(
    values: pl.DataFrame,
    closes: pl.DataFrame,
    members: pl.DataFrame | None,
    others: Mapping[str, pl.DataFrame | Ranks],
    sessions: Sequence[date],
) -> FactorReport:
    """Measure a factor's values: session, symbol, value.

    `closes` (session, symbol, close) are adjusted, from the first session with values to six after the last, as far as
    there are any. `members` (session, symbol) are the universe, for the coverage alone. `others` are the values of the
    user's other active factors by id, or their ranks; each is read once, on one of two threads, and let go, so that the
    mapping may load it when it is asked for. `sessions` is the exchange calendar, ascending, over all of that.

    Raises InputError for values that are not finite numbers, are there twice, or lie outside the calendar.
    """
    check_values("values", values, VALUES_SCHEMA)
    require("closes", closes, CLOSES_SCHEMA)
    calendar, days = _calendar(values, sessions)
    symbols = names_in("values", values)
    panel = make_panel(values, days, symbols, "values")
    ranks = rank_panel(panel, days, symbols)
    returns = session_returns(make_panel(closes.rename({"close": "value"}), calendar, symbols, "closes"))
    return_ranks = rank_panel(returns, calendar, symbols)
    decay = [correlations(ranks, return_ranks, _later(ranks, return_ranks, DELAY + k)) for k in range(1, 6)]
    ic, pairs = decay[0]
    quintiles = kernel.quintile_means(ranks.ordered, _forward(returns, len(days)), ic)
    with ThreadPoolExecutor(THREADS) as threads:
        found = threads.map(lambda name: _mean_correlation(ranks, others[name]), others)
        with_others = dict(zip(others, found, strict=True))
    return _report(
        ranks,
        ic=ic,
        pairs=pairs,
        ic_decay=tuple(figures.mean(series) for series, _ in decay),
        quintiles=quintiles,
        turnover=kernel.quintile_turnover(ranks.ordered),
        coverage=None if members is None else _coverage(panel, days, symbols, members),
        with_others=with_others,
    )


def _calendar(values: pl.DataFrame, sessions: Sequence[date]) -> tuple[list[date], list[date]]:
    """The sessions from the first with values to those of the last decay, and the part up to the last with values."""
    strays = values["session"].filter(pl.Series(session_codes(values["session"], sessions) < 0))
    if strays.len():
        raise InputError("values.session", "sessions of the calendar", strays[0])
    bounds = values.select(first=pl.col("session").min(), last=pl.col("session").max()).row(0)
    first, end = bisect_left(sessions, bounds[0]), bisect_right(sessions, bounds[1])
    calendar = list(sessions[first : end + DELAY + DECAY_SESSIONS])
    return calendar, calendar[: end - first]


def _later(ranks: Ranks, return_ranks: Ranks, by: int) -> Codes:
    """Row of the session that is `by` later than each of the factor's, -1 where the calendar ends before it."""
    rows = np.arange(len(ranks.sessions), dtype=np.int32) + np.int32(by)
    return np.where(rows < len(return_ranks.sessions), rows, -1).astype(np.int32)


def _forward(returns: Floats, height: int) -> Floats:
    """Forward returns r of the first `height` sessions, nan where the calendar ends before them."""
    forward = np.full((height, returns.shape[1]), np.nan)
    known = returns[DELAY + 1 : DELAY + 1 + height]
    forward[: len(known)] = known
    return forward


def _mean_correlation(ranks: Ranks, other: pl.DataFrame | Ranks) -> float | None:
    """Mean over common sessions of the correlation with another factor's values."""
    if not isinstance(other, Ranks):
        other = rank_panel(make_panel(other, ranks.sessions, ranks.symbols, "others"), ranks.sessions, ranks.symbols)
    rows = session_codes(pl.Series(ranks.sessions, dtype=pl.Date), other.sessions)
    return figures.mean(correlations(ranks, other, rows)[0])


def _coverage(panel: Floats, days: list[date], symbols: pl.Series, members: pl.DataFrame) -> float | None:
    """Mean over the sessions with values of the share of the universe that has one; without members: left out."""
    require("members", members, MEMBERS_SCHEMA)
    rows = session_codes(members["session"], days)
    size = np.bincount(rows[rows >= 0], minlength=len(days))
    belongs = make_panel(members.select("session", "symbol", value=pl.lit(1.0)), days, symbols, "members")
    has_value = ~np.isnan(panel)
    covered = np.count_nonzero(has_value & ~np.isnan(belongs), axis=1)
    asked = has_value.any(axis=1) & (size > 0)
    return figures.mean(covered[asked] / size[asked])


def _report(
    ranks: Ranks,
    *,
    ic: Floats,
    pairs: Codes,
    ic_decay: tuple[float | None, ...],
    quintiles: Floats,
    turnover: Floats,
    coverage: float | None,
    with_others: dict[str, float | None],
) -> FactorReport:
    """Collect the figures in a report; arrays have a row for every session from the first with values to the last."""
    ls_return = quintiles[:, -1] - quintiles[:, 0]
    ic_mean, ic_ir, mean_turnover = figures.mean(ic), figures.mean_ratio(ic), figures.mean(turnover)
    data_days = int(np.count_nonzero(ranks.ordered.counts))
    nearest = max(((abs(value), name) for name, value in with_others.items() if value is not None), default=None)
    max_correlation = None if nearest is None else with_others[nearest[1]]
    checks = _checks(ic_mean, ic_ir, mean_turnover, max_correlation, data_days)
    session = pl.Series(ranks.sessions, dtype=pl.Date)
    with_values = pl.Series(ranks.ordered.counts > 0)

    def series(**columns: Floats | Codes) -> pl.DataFrame:
        named = {name: pl.Series(array, nan_to_null=True) for name, array in columns.items()}
        return pl.DataFrame({"session": session, **named}).filter(with_values)

    return FactorReport(
        ic=series(ic=ic, symbols=pairs),
        ls_returns=series(ls_return=ls_return, cumulative=figures.cumulative(ls_return)),
        quintile_returns=series(**{f"q{place + 1}": quintiles[:, place] for place in range(kernel.QUINTILES)}),
        ic_mean=ic_mean,
        ic_ir=ic_ir,
        ic_decay=ic_decay,
        quintile_means=tuple(figures.mean(column) for column in quintiles.T),
        turnover=mean_turnover,
        sharpe=figures.sharpe(ls_return),
        fitness=figures.fitness(ls_return, mean_turnover),
        coverage=coverage,
        data_days=data_days,
        correlations=with_others,
        max_correlation=max_correlation,
        max_correlation_factor=None if nearest is None else nearest[1],
        yearly_stats=figures.yearly_stats(ranks.sessions, ic, ls_return, turnover, ranks.ordered.counts),
        newey_west_t=figures.newey_west_t(ic),
        ic_positive_share=figures.share_of_sign(ic),
        checks=checks,
        passed=all(check.passed for check in checks.values()),
    )


def _checks(
    ic_mean: float | None,
    ic_ir: float | None,
    turnover: float | None,
    max_correlation: float | None,
    data_days: int,
) -> dict[str, AdmissionCheck]:
    """Compare the figures with their thresholds; an undefined one fails, but for a correlation with nothing."""
    strength = None if ic_mean is None else abs(ic_mean)
    steadiness = None if ic_ir is None else abs(ic_ir)
    likeness = None if max_correlation is None else abs(max_correlation)
    return {
        "IC_MEAN": AdmissionCheck(strength, LEAST_IC_MEAN, strength is not None and strength > LEAST_IC_MEAN),
        "IC_IR": AdmissionCheck(steadiness, LEAST_IC_IR, steadiness is not None and steadiness > LEAST_IC_IR),
        "HIGH_TURNOVER": AdmissionCheck(turnover, MOST_TURNOVER, turnover is not None and turnover < MOST_TURNOVER),
        "SELF_CORRELATION": AdmissionCheck(likeness, MOST_CORRELATION, likeness is None or likeness < MOST_CORRELATION),
        "DATA_COVERAGE": AdmissionCheck(data_days, LEAST_SESSIONS, data_days >= LEAST_SESSIONS),
    }
