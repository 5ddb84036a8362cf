"""Sample strategies: six of different kinds, and the signals they would have sent, from nothing but earlier closes.

They exist so that a newcomer sees every kind of day: rebalances, holds, missed sessions, a pause, close trading. Pure.
"""

from collections.abc import Callable, Sequence
from datetime import date

import polars as pl

from countersign.models.enums import ExecutionPrice, Universe
from countersign.models.tables.strategies import StrategyTerms

LOOKBACK_SESSIONS = 20
NAMES = 20
MISSED_EVERY = 4

Scores = Callable[[pl.DataFrame], pl.Expr]


def sample_strategies() -> list[StrategyTerms]:
    """Return the terms of the six sample strategies."""
    return [
        StrategyTerms(slug="sample-momentum", name="Sample: momentum", holding_period=5),
        StrategyTerms(slug="sample-low-volatility", name="Sample: low volatility", universe=Universe.CSI500),
        StrategyTerms(slug="sample-equal-weight", name="Sample: equal weight", holding_period=20),
        StrategyTerms(
            slug="sample-misses-days", name="Sample: misses days", universe=Universe.CSI1000, holding_period=1
        ),
        StrategyTerms(slug="sample-paused", name="Sample: paused half-way", holding_period=2),
        StrategyTerms(
            slug="sample-trades-close",
            name="Sample: reversal at the close",
            holding_period=1,
            execution_price=ExecutionPrice.CLOSE,
        ),
    ]


def sample_signals(bars: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
    """Return the signals of the sample strategies for `sessions`: strategy, session, symbol, weight.

    `bars` (symbol, session, close, adj_factor, volume) must begin at least 21 sessions before the first of them. The
    signal for a session uses closes of earlier sessions alone.
    """
    adjusted = bars.select("symbol", "session", "volume", price=pl.col("close") * pl.col("adj_factor").fill_null(1.0))
    days = adjusted["session"].unique().sort()
    frames = []
    for n, session in enumerate(sessions):
        recent = days.filter(days < session).tail(LOOKBACK_SESSIONS + 1)
        figures = _figures(adjusted.filter(pl.col("session").is_in(recent.implode())), recent.len())
        for slug, score in _SCORES.items():
            if slug == "sample-misses-days" and n % MISSED_EVERY == MISSED_EVERY - 1:
                continue
            chosen = figures.sort(score, "symbol", descending=[True, False]).head(NAMES)
            frames.append(
                chosen.select(
                    pl.lit(slug).alias("strategy"),
                    pl.lit(session).alias("session"),
                    "symbol",
                    pl.lit(round(0.98 / NAMES, 4)).alias("weight"),
                )
            )
    return pl.concat(frames)


_SCORES = {
    "sample-momentum": pl.col("gain"),
    "sample-low-volatility": -pl.col("volatility"),
    "sample-equal-weight": pl.col("turnover"),
    "sample-misses-days": -pl.col("gain"),
    "sample-paused": pl.col("last_return"),
    "sample-trades-close": -pl.col("last_return"),
}


def _figures(window: pl.DataFrame, sessions: int) -> pl.DataFrame:
    """Figures of each symbol that has a bar in every session of the window, sorted by symbol."""
    returns = pl.col("price").sort_by("session").pct_change().drop_nulls()
    return (
        window.group_by("symbol")
        .agg(
            pl.len().alias("bars"),
            gain=pl.col("price").sort_by("session").last() / pl.col("price").sort_by("session").first() - 1,
            volatility=returns.std(),
            last_return=returns.last(),
            turnover=pl.col("volume").mean(),
        )
        .filter(pl.col("bars") == sessions)
        .sort("symbol")
    )
