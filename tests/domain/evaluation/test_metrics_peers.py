"""Metrics beside other programs' answers, and beside the papers that defined them.

empyrical-reloaded defines all of these alike, but for signs (its drawdown is negative) and for excess_sharpe, which it
does not annualise; where ours is null it answers NaN, 0 or infinity. quantstats' probabilistic Sharpe ratio takes
bias-corrected moments where the paper takes the sample's, so that it differs by a share of 1/n. ffn's rate of return a
year, and with it its Calmar ratio, count calendar days.
"""

import json
from pathlib import Path
from statistics import NormalDist
from typing import Any

import empyrical
import numpy as np
import polars as pl
import pytest
from scipy import stats

from countersign.domain.arrays import Floats
from countersign.domain.evaluation.kernel import Figures, Luck, sessions_needed, spread, weigh
from countersign.domain.evaluation.metrics import expected_maximum
from tests.support.evaluation import CAPITAL, evaluated, histories, newest
from tests.support.shared import shared

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "evaluation.json").read_text())
INDICES = ("hs300", "csi500", "csi1000")


def by_empyrical(returns: Floats, benchmark: Floats) -> dict[str, float]:
    excess = returns - benchmark
    ratio = float(returns.mean() / returns.std(ddof=1))
    skewness, kurtosis = stats.skew(returns), stats.kurtosis(returns, fisher=False)
    error = np.sqrt((1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2) / (len(returns) - 1))
    return {
        "total_return": empyrical.cum_returns_final(returns),
        "annual_return": empyrical.annual_return(returns),
        "volatility": empyrical.annual_volatility(returns),
        "sharpe": empyrical.sharpe_ratio(returns),
        "max_drawdown": -empyrical.max_drawdown(returns),
        "calmar": empyrical.calmar_ratio(returns),
        "sortino": empyrical.sortino_ratio(returns),
        "benchmark_return": empyrical.cum_returns_final(benchmark),
        "excess_return": empyrical.cum_returns_final(returns) - empyrical.cum_returns_final(benchmark),
        "excess_sharpe": empyrical.excess_sharpe(returns, benchmark) * np.sqrt(252),
        "rolling_excess_sharpe": empyrical.sharpe_ratio(excess[-60:]),
        "psr": float(stats.norm.cdf(ratio / error)),
    }


@pytest.fixture(scope="module")
def levels() -> dict[str, Floats]:
    """Closing levels of real indices, as NAV of a million at the start, to the fen."""
    frame = pl.read_parquet(shared("market/index_levels_2018_2026.parquet")).sort("session")
    series = {name: frame.filter(pl.col("index") == name)["close"].to_numpy() for name in INDICES}
    return {name: np.round(CAPITAL * close / close[0], 2) for name, close in series.items()}


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("length", [60, 250, 2017])
def test_real_indices_against_empyrical(levels: dict[str, Floats], name: str, length: int) -> None:
    nav, other = levels[name][: length + 1], levels["hs300" if name != "hs300" else "csi500"][: length + 1]
    returns, benchmark = nav[1:] / nav[:-1] - 1, other[1:] / other[:-1] - 1
    row = newest(nav[1:].tolist(), benchmark.tolist())
    expected = by_empyrical(returns, benchmark)
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-9)
    assert row["sessions"] == length == len(returns)


def test_rolling_values_of_a_real_index_against_empyrical(levels: dict[str, Floats]) -> None:
    nav, other = levels["csi500"], levels["hs300"]
    benchmark = other[1:] / other[:-1] - 1
    excess = nav[1:] / nav[:-1] - 1 - benchmark
    rows = evaluated(histories({"one": nav[1:].tolist()}, benchmark.tolist(), {}), 0)
    theirs = [empyrical.sharpe_ratio(excess[end - 60 : end]) for end in range(60, len(excess) + 1)]
    assert rows["rolling_excess_sharpe"].null_count() == 59
    assert rows["rolling_excess_sharpe"][59:].to_list() == pytest.approx(theirs, rel=1e-9)
    share = rows["score_excess"][-1] / 20
    assert share == pytest.approx(sum(value > 0 for value in theirs) / len(theirs), rel=1e-12)


@pytest.mark.parametrize(("peer", "loose"), [("quantstats", {"psr": 5e-3}), ("ffn", {})])
def test_metrics_equal_the_stored_answers_of_quantstats_and_ffn(peer: str, loose: dict[str, float]) -> None:
    row: dict[str, Any] = newest(GOLDEN["nav"], GOLDEN["benchmark"])
    for name, value in GOLDEN[peer].items():
        assert row[name] == pytest.approx(value, rel=loose.get(name, 1e-9)), name


def luck_of(ratio: float, skewness: float, kurtosis: float, sessions: int, benchmark: float = 0.0) -> Luck:
    """The kernel's verdict on one Sharpe ratio, as a trial against an expected maximum of `benchmark`."""
    error = np.sqrt(spread(ratio, skewness, kurtosis) / (sessions - 1))
    figures = Figures.room(1, 1, 1)
    figures.sessions[:], figures.ratio[:], figures.error[:] = sessions, ratio, error
    return weigh(figures, np.zeros(1, np.int32), np.array([0.0, benchmark / error]), np.ones((1, 1), np.int64))


@pytest.mark.parametrize(
    ("months", "skewness", "kurtosis", "psr"),
    [(24, -2.448, 10.164, 0.913), (24, 0.0, 3.0, 0.982), (36, -2.448, 10.164, 0.953)],
)
def test_psr_of_the_paper_of_2012(months: int, skewness: float, kurtosis: float, psr: float) -> None:
    """A fund with a monthly Sharpe ratio of 0.458: significant only as long as its returns are taken for normal."""
    assert luck_of(0.458, skewness, kurtosis, months).psr.item() == pytest.approx(psr, abs=1e-3)  # from rounded moments


@pytest.mark.parametrize(
    ("periods", "skewness", "kurtosis", "years"),
    [(252, 0.0, 3.0, 2.73), (52, 0.0, 3.0, 2.83), (12, 0.0, 3.0, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_min_track_record_of_the_paper_of_2012(periods: int, skewness: float, kurtosis: float, years: float) -> None:
    """An annualised Sharpe ratio of 2 against 1, by how often it is observed; hedge funds' returns are the last."""
    ratio, benchmark = 2 / np.sqrt(periods), 1 / np.sqrt(periods)
    needed = sessions_needed(ratio - benchmark, spread(ratio, skewness, kurtosis))
    assert needed / periods == pytest.approx(years, abs=5e-3)


def test_min_track_record_is_where_psr_reaches_its_level() -> None:
    needed = luck_of(0.05, -0.5, 6.0, 300).min_track_record.item()
    below, above = (luck_of(0.05, -0.5, 6.0, int(needed) + more).psr.item() for more in (0, 1))
    assert below < 0.95 <= above
    assert luck_of(-0.05, -0.5, 6.0, 300).min_track_record.item() != needed
    assert NormalDist().inv_cdf(0.95) == pytest.approx(1.6448536269514722)


@pytest.mark.parametrize(
    ("trials", "skewness", "kurtosis", "expected"),
    [(100, -3.0, 10.0, 0.9004), (46, -3.0, 10.0, 0.9505), (88, 0.0, 3.0, 0.9505)],
)
def test_deflated_sharpe_of_the_paper_of_2014(trials: int, skewness: float, kurtosis: float, expected: float) -> None:
    """Five years of 250 days, the best of the trials at 2.5 a year, their variance 1/2 a year."""
    luckiest = np.sqrt(0.5 / 250) * expected_maximum(trials)
    found = luck_of(2.5 / np.sqrt(250), skewness, kurtosis, 1250, luckiest)
    assert found.deflated_sharpe.item() == pytest.approx(expected, abs=5e-5)
    if trials == 100:
        assert luckiest == pytest.approx(0.1132, abs=5e-5)
