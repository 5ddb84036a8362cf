"""Tracking: how far the platform's NAV strays from the NAV that the researcher claimed.

Pure: two NAV series in, one verdict out. Which series to compare is the caller's business.
"""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from countersign.domain.arrays import Floats
from countersign.domain.evaluation.kernel import LEAST_DEVIATION, YEAR
from countersign.models.enums import Verdict

# Daily returns between five common sessions in a row.
MIN_DAILY_RETURNS = 4


@dataclass(frozen=True)
class Tracking:
    """Comparison of a claim: figures as fractions, annualised by 252. `correlation` is None where a series never moves.

    `overlap_days` is the number of common sessions. There are fewer daily returns to compare: one less, and one less
    again for every gap between common sessions.
    """

    tracking_diff_annualized: float
    tracking_error_annualized: float
    correlation: float | None
    overlap_days: int
    verdict: Verdict


def track(claimed: pl.DataFrame, tracked: pl.DataFrame) -> Tracking | None:
    """Compare daily returns on common sessions; None with fewer than four of them, as five sessions in a row have.

    Both frames have columns session (Date, unique) and nav (Float64 or Decimal, any unit, above 0). The tracked series
    is the strategy's own sessions, without gaps, from its activation on. A return counts where a session and the one
    before it in that series are both claimed: a return across a gap is no daily one, and is not annualised as one.
    """
    return compare(levels_of(pair(claimed, tracked)))


def pair(claimed: pl.DataFrame, tracked: pl.DataFrame) -> pl.DataFrame:
    """Put the claim beside every tracked session, in order: session, nav_tracked, nav (null: not claimed)."""
    session, nav = pl.col("session"), pl.col("nav").cast(pl.Float64)
    beside = tracked.select(session, nav_tracked=nav).join(
        claimed.select(session, nav), on="session", how="left", validate="1:1"
    )
    return beside.sort("session")


def levels_of(pairs: pl.DataFrame) -> Floats:
    """Give the levels of a `pair` as `compare` takes them: tracked sessions × (claimed, nan where not; tracked)."""
    return pairs.select("nav", "nav_tracked").to_numpy()


def compare(levels: Floats) -> Tracking | None:
    """Compare as `track` does; of a history up to a session, `levels` are the rows up to there."""
    common = ~np.isnan(levels[:, 0])
    daily = common[1:] & common[:-1]
    if np.count_nonzero(daily) < MIN_DAILY_RETURNS:
        return None
    # Figures out of all proportion overflow to nan or infinity: no verdict but divergence.
    with np.errstate(all="ignore"):
        returns = (levels[1:] / levels[:-1] - 1.0)[daily]
        difference = returns[:, 0] - returns[:, 1]
        error = _deviation(difference) * math.sqrt(YEAR)
        correlation = _correlation(returns)
        still = max(_deviation(returns[:, 0]), _deviation(returns[:, 1])) <= LEAST_DEVIATION
    return Tracking(
        tracking_diff_annualized=float(difference.mean()) * YEAR,
        tracking_error_annualized=error,
        correlation=correlation,
        overlap_days=int(np.count_nonzero(common)),
        verdict=judge(error, 1.0 if still else correlation),
    )


def judge(tracking_error: float, correlation: float | None) -> Verdict:
    """Give the verdict; without a correlation (one series moves, the other never does) the error alone decides."""
    alike = -1.0 if correlation is None else correlation
    if tracking_error < 0.02 and alike > 0.95:
        return Verdict.CONSISTENT
    if tracking_error < 0.05 or alike > 0.85:
        return Verdict.MODERATE_DIVERGENCE
    return Verdict.SIGNIFICANT_DIVERGENCE


def _deviation(values: Floats) -> float:
    return float(values.std(ddof=1))


def _correlation(returns: Floats) -> float | None:
    if min(_deviation(returns[:, 0]), _deviation(returns[:, 1])) <= LEAST_DEVIATION:
        return None
    return float(np.corrcoef(returns[:, 0], returns[:, 1]).item(1))
