"""Tracking: a claim compared with the tracked NAV."""

from collections.abc import Sequence
from math import sqrt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.evaluation.tracking import judge, track
from countersign.models.enums import Verdict
from tests.support.evaluation import day


def navs(levels: Sequence[float], first: int = 0) -> pl.DataFrame:
    return pl.DataFrame({"session": [day(first + n) for n in range(len(levels))], "nav": [float(x) for x in levels]})


def navs_of(at_least: int) -> st.SearchStrategy[pl.DataFrame]:
    return st.lists(st.floats(0.01, 1e10), min_size=at_least, max_size=60).map(navs)


def test_figures_of_tracking_equal_those_worked_by_hand() -> None:
    claimed, tracked = [1.0], [100.0]
    for mine, theirs in zip([0.02, 0.01, 0.00, -0.01, 0.03], [0.01, 0.01, 0.01, -0.02, 0.02], strict=True):
        claimed.append(claimed[-1] * (1 + mine))
        tracked.append(tracked[-1] * (1 + theirs))
    found = track(navs(claimed), navs(tracked))
    assert found is not None
    # Differences 1 %, 0, −1 %, 1 %, 1 %: mean 0.4 %, squared deviations 36, 16, 196, 36, 36 (1e-6).
    assert found.tracking_diff_annualized == pytest.approx(0.004 * 252)
    assert found.tracking_error_annualized == pytest.approx(sqrt(320e-6 / 4 * 252))
    # Deviations 1, 0, −1, −2, 2 and 0.4, 0.4, 0.4, −2.6, 1.4 (%): products 8, squares 10 and 9.2.
    assert found.correlation == pytest.approx(8 / sqrt(10 * 9.2))
    assert (found.overlap_days, found.verdict) == (6, Verdict.SIGNIFICANT_DIVERGENCE)


@given(navs_of(at_least=5))
def test_a_perfect_claim_tracks_perfectly(nav: pl.DataFrame) -> None:
    found = track(nav, nav)
    assert found is not None
    assert found.tracking_error_annualized == 0.0
    assert found.tracking_diff_annualized == 0.0
    assert found.verdict is Verdict.CONSISTENT
    assert found.correlation is None or found.correlation == pytest.approx(1.0)


def test_a_perfect_claim_in_another_unit_is_consistent() -> None:
    nav = navs([1.0, 1.1, 1.05, 1.2, 1.19, 1.3])
    cents = nav.with_columns((pl.col("nav") * 1_000_000).cast(pl.Decimal(18, 2)))
    found = track(nav, cents)
    assert found is not None
    assert found.tracking_error_annualized == pytest.approx(0.0, abs=1e-12)
    assert found.verdict is Verdict.CONSISTENT


def test_too_little_overlap_gives_no_verdict() -> None:
    assert track(navs([1.00, 1.01, 1.02]), navs([1.00, 1.01, 1.02])) is None
    long = navs([1.0 + n / 100 for n in range(30)])
    assert track(long, navs([1.0] * 30, first=26)) is None
    assert track(long, navs([1.0 + n / 90 for n in range(30)], first=25)) is not None


def test_a_perfect_claim_with_a_gap_is_consistent() -> None:
    nav = navs([1.0, 1.3, 0.9, 1.2, 1.1, 1.4, 1.3, 1.6])
    found = track(nav.filter(pl.col("session") != day(3)).reverse(), nav)
    assert found is not None
    assert (found.tracking_error_annualized, found.overlap_days) == (0.0, 7)
    assert found.verdict is Verdict.CONSISTENT


def test_only_daily_returns_count_where_the_claim_has_gaps() -> None:
    noise = np.random.default_rng(5)
    moves = noise.normal(0.0, 0.01, 60)
    tracked = np.cumprod(1 + moves)
    claimed = np.cumprod(1 + moves + noise.normal(0.0, 0.0005, 60))
    kept = [n for n in range(60) if n % 5 != 2 and n not in range(30, 41)]
    pairs = [n for n in kept if n - 1 in kept]
    mine, theirs = (np.array([levels[n] / levels[n - 1] - 1 for n in pairs]) for levels in (claimed, tracked))
    whole = navs(claimed.tolist())
    found = track(whole[kept], navs(tracked.tolist()).sample(fraction=1.0, shuffle=True, seed=1))
    assert found is not None
    assert found.tracking_diff_annualized == pytest.approx(float(np.mean(mine - theirs)) * 252)
    assert found.tracking_error_annualized == pytest.approx(float(np.std(mine - theirs, ddof=1)) * sqrt(252))
    assert found.correlation == pytest.approx(float(np.corrcoef(mine, theirs).item(1)))
    assert (found.overlap_days, found.verdict) == (len(kept), Verdict.CONSISTENT)


def test_a_claim_without_neighbouring_sessions_has_no_verdict() -> None:
    nav = navs([1.0 + n % 7 / 100 for n in range(250)])
    assert track(nav[::21], nav) is None
    assert track(nav[::2], nav) is None
    pairs = [n for first in range(0, 40, 10) for n in (first, first + 1)]
    assert track(nav[pairs[:-1]], nav) is None
    found = track(nav[pairs], nav)
    assert found is not None
    assert (found.overlap_days, found.verdict) == (8, Verdict.CONSISTENT)


def test_a_claim_that_never_moves_has_no_correlation() -> None:
    still, moving = navs([1.0] * 8), navs([1.0, 1.1, 1.0, 1.1, 1.0, 1.1, 1.0, 1.1])
    found = track(still, moving)
    assert found is not None
    assert (found.correlation, found.verdict) == (None, Verdict.SIGNIFICANT_DIVERGENCE)
    same = track(still, navs([5.0] * 8))
    assert same is not None
    assert (same.correlation, same.verdict) == (None, Verdict.CONSISTENT)


@pytest.mark.parametrize(
    ("error", "correlation", "verdict"),
    [
        (0.0199, 0.951, Verdict.CONSISTENT),
        (0.02, 0.99, Verdict.MODERATE_DIVERGENCE),
        (0.01, 0.95, Verdict.MODERATE_DIVERGENCE),
        (0.049, -1.0, Verdict.MODERATE_DIVERGENCE),
        (0.30, 0.86, Verdict.MODERATE_DIVERGENCE),
        (0.05, 0.85, Verdict.SIGNIFICANT_DIVERGENCE),
        (0.04, None, Verdict.MODERATE_DIVERGENCE),
        (0.30, None, Verdict.SIGNIFICANT_DIVERGENCE),
    ],
)
def test_error_and_correlation_give_the_verdict(error: float, correlation: float | None, verdict: Verdict) -> None:
    assert judge(error, correlation) is verdict
