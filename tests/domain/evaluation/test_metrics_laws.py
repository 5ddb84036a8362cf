"""Laws of evaluation: sessions evaluated together, apart, or from scratch by plain formulas, give the same."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from countersign.models.datasets import EVALUATIONS
from tests.support.evaluation import CAPITAL, day, evaluated, histories, strategies

SESSIONS = 130


@st.composite
def worlds(draw: st.DrawFn) -> tuple[pl.DataFrame, list[float | None]]:
    """A few strategies that begin and end when they like, some calm, some wild, some still for a while."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    benchmark: list[float | None] = rng.normal(0.0002, 0.01, SESSIONS).tolist()
    if draw(st.booleans()):
        benchmark[int(rng.integers(SESSIONS))] = None
    navs, starts = {}, {}
    for n in range(draw(st.integers(1, 4))):
        starts[f"s{n}"] = int(rng.integers(0, SESSIONS - 1))
        length = int(rng.integers(1, SESSIONS - starts[f"s{n}"] + 1))
        scale = draw(st.sampled_from([1e-6, 1e-3, 0.02, 0.2]))
        moves = rng.random(length) < draw(st.sampled_from([0.3, 1]))
        returns = np.clip(rng.normal(0, scale, length), -0.9, 2.0) * moves
        navs[f"s{n}"] = np.round(CAPITAL * np.cumprod(1 + returns) + 0.01, 2).tolist()
    return histories(navs, benchmark, starts), benchmark


def by_plain_formulas(nav: pl.DataFrame) -> dict[str, float | None]:
    """One strategy's figures by its rows, the moments in two passes."""
    level = np.array([CAPITAL, *nav["nav"].cast(pl.Float64)])
    r, b = level[1:] / level[:-1] - 1, nav["benchmark_return"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    n, excess = len(r), r - b
    known = excess[~np.isnan(excess)]

    def ratio(values: Any, deviation: float) -> float | None:
        return float(values.mean() / deviation * np.sqrt(252)) if deviation > 1e-14 else None

    total = level[-1] / level[0] - 1
    drawdown = float((1 - level / np.maximum.accumulate(level)).max())
    annual = (1 + total) ** (252 / n) - 1 if n > 1 else None
    windows = [excess[end - 60 : end] for end in range(60, n + 1)]
    rolling = [ratio(w, w.std(ddof=1)) if not np.isnan(w).any() else None for w in windows]
    return {
        "total_return": total,
        "annual_return": annual,
        "volatility": r.std(ddof=1) * np.sqrt(252) if n > 1 else None,
        "sharpe": ratio(r, r.std(ddof=1)) if n > 1 else None,
        "max_drawdown": drawdown,
        "calmar": annual / drawdown if annual is not None and drawdown else None,
        "benchmark_return": (1 + b).prod() - 1 if not np.isnan(b).any() else None,
        "excess_sharpe": ratio(known, known.std(ddof=1)) if len(known) > 1 else None,
        "rolling_excess_sharpe": rolling[-1] if rolling else None,
        "sortino": ratio(r, np.sqrt((np.minimum(r, 0) ** 2).mean())) if n > 1 else None,
    }


@settings(max_examples=12)
@given(worlds())
def test_expanding_figures_are_those_from_scratch(world: tuple[pl.DataFrame, list[float | None]]) -> None:
    nav, _ = world
    for row in evaluated(nav).iter_rows(named=True):
        past = nav.filter(pl.col("strategy") == row["strategy"], pl.col("session") <= row["session"])
        for name, value in by_plain_formulas(past).items():
            if value is None:
                assert row[name] is None, name
            else:
                # Absolute: returns of a millionth that cancel out leave half the digits of their mean.
                assert row[name] == pytest.approx(value, rel=1e-6, abs=1e-7), (name, row["session"])


@settings(max_examples=10)
@given(worlds(), st.integers(1, SESSIONS - 1), st.randoms(use_true_random=False))
def test_together_or_apart_in_any_order_of_rows(
    world: tuple[pl.DataFrame, list[float | None]], cut: int, random: Any
) -> None:
    nav, _ = world
    terms = strategies(*[f"s{n}" for n in range(5)])
    keys = nav.select("strategy", "session").rows()
    trading = [(slug, at, random.randrange(10**6) / 100, random.randrange(10**4) / 100) for slug, at in keys]
    whole = evaluated(nav, 0, terms, trading)
    past = nav.filter(pl.col("session") < day(cut)).sample(fraction=1, shuffle=True, seed=cut)
    early = evaluated(past, 0, terms, [row for row in trading if row[1] < day(cut)])
    before = early.filter(pl.col("session") == early["session"].max()) if early.height else None
    late = evaluated(nav.sample(fraction=1, shuffle=True, seed=cut), cut, terms, trading, before)
    assert_frame_equal(pl.concat([early, late]), whole, check_exact=True)
    for name in ("score", *(part for part in EVALUATIONS.schema if part.startswith("score_"))):
        assert whole[name].is_null().sum() == (whole["sessions"] < 20).sum()
    assert whole["score"].drop_nulls().is_between(0, 100).all()
    assert not whole.select(pl.col(pl.Float64).is_nan().any()).row(0).count(True)
