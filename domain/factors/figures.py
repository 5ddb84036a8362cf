"""Factor figures of series that have a number a session, nan where a session does not count.

Pure. Every function leaves nan out, and answers None where the figure is not defined: never 0, never nan.
"""

import math
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from countersign.domain.arrays import Codes, Floats

SESSIONS_A_YEAR = 252
NEWEY_WEST_LAG = 5
LEAST_TURNOVER = 0.02


class YearlyStats(NamedTuple):
    """A calendar year of a factor. `returns` and `drawdown` are of the long-short portfolio, compounded from 1 at the
    start of the year; a drawdown is positive, 0.05 being 5 % below a peak. `days` are its sessions with values.
    """

    year: int
    ic_mean: float | None
    ic_ir: float | None
    returns: float | None
    drawdown: float | None
    turnover: float | None
    days: int


def mean(series: Floats) -> float | None:
    """Arithmetic mean; None of nothing."""
    counted = series[~np.isnan(series)]
    return float(np.mean(counted)) if counted.size else None


def mean_ratio(series: Floats) -> float | None:
    """Mean over sample standard deviation (ddof 1); None of fewer than two, or where all are the same."""
    counted = series[~np.isnan(series)]
    if counted.size < 2 or np.ptp(counted) == 0:
        return None
    return float(np.mean(counted) / np.std(counted, ddof=1))


def sharpe(returns: Floats) -> float | None:
    """Yearly Sharpe ratio of session returns, without a risk-free rate: mean / sample deviation × √252."""
    ratio = mean_ratio(returns)
    return None if ratio is None else ratio * math.sqrt(SESSIONS_A_YEAR)


def fitness(returns: Floats, turnover: float | None) -> float | None:
    """Sharpe × √(abs(yearly mean return) / max(turnover, 0.02)), as WorldQuant BRAIN defines it."""
    ratio, average = sharpe(returns), mean(returns)
    if ratio is None or average is None or turnover is None:
        return None
    return ratio * math.sqrt(abs(average * SESSIONS_A_YEAR) / max(turnover, LEAST_TURNOVER))


def cumulative(returns: Floats) -> Floats:
    """Product of 1 + return up to each session; a session without one leaves it as it was, 1 before the first."""
    return np.cumprod(1 + np.where(np.isnan(returns), 0.0, returns))


def drawdown(returns: Floats) -> float | None:
    """Largest loss from a peak, the start (1) being the first one; positive, as a fraction of the peak."""
    if np.isnan(returns).all():
        return None
    wealth = np.concatenate(([1.0], cumulative(returns)))
    return float(np.max(1 - wealth / np.maximum.accumulate(wealth)))


def newey_west_t(series: Floats, lag: int = NEWEY_WEST_LAG) -> float | None:
    """t-statistic of the mean under autocorrelation (Newey and West 1987): Bartlett weights 1 − l / (lag + 1).

    No correction for small samples; sessions that do not count are closed up. None of `lag` + 1 or fewer, or where all
    are the same.
    """
    counted = series[~np.isnan(series)]
    n = counted.size
    if n <= lag + 1 or np.ptp(counted) == 0:
        return None
    average = np.mean(counted)
    off = counted - average
    variance = off @ off + 2 * sum((1 - k / (lag + 1)) * (off[k:] @ off[:-k]) for k in range(1, lag + 1))
    return float(average / math.sqrt(variance / n**2)) if variance > 0 else None


def share_of_sign(series: Floats) -> float | None:
    """Share of sessions whose number has the sign of the mean; None where the mean is 0 or there is none."""
    average = mean(series)
    if not average:
        return None
    return float(np.mean(np.sign(series[~np.isnan(series)]) == np.sign(average)))


def yearly_stats(
    sessions: Sequence[date], ic: Floats, returns: Floats, turnover: Floats, values: Codes
) -> tuple[YearlyStats, ...]:
    """Figures of each calendar year that has values, ascending; `values` counts them by session."""
    year_of = np.array([session.year for session in sessions])
    years = []
    for year in np.unique(year_of[values > 0]):
        of_year = year_of == year
        gains = returns[of_year]
        years.append(
            YearlyStats(
                year=int(year),
                ic_mean=mean(ic[of_year]),
                ic_ir=mean_ratio(ic[of_year]),
                returns=None if np.isnan(gains).all() else float(cumulative(gains)[-1] - 1),
                drawdown=drawdown(gains),
                turnover=mean(turnover[of_year]),
                days=int(np.count_nonzero(values[of_year])),
            )
        )
    return tuple(years)
