"""Every metric on NAV worked by hand, undefined ones, and the score. Others' answers: test_evaluation_peers."""

from datetime import date
from math import sqrt
from statistics import NormalDist

import polars as pl
import pytest

from countersign.domain.evaluation.metrics import add_score
from countersign.models.datasets import EVALUATIONS
from countersign.models.errors import InputError
from tests.support.evaluation import day, evaluated, histories, newest, strategies

# +1 %, −1 %, +2 %, 0 on a million, against 0.5 %, −0.5 %, 1 %, 0.
LEVELS, BENCHMARK = [1_010_000.0, 999_900.0, 1_019_898.0, 1_019_898.0], [0.005, -0.005, 0.01, 0.0]
ROOT = sqrt(252)


def test_every_metric_worked_by_hand() -> None:
    nav = histories({"one": LEVELS}, BENCHMARK, {})
    trading = [("one", day(0), 500_000.0, 300.0), ("one", day(2), 99_990.0, 100.0)]
    row = evaluated(nav, 0, trading=trading).row(3, named=True)
    # Deviations from the mean of 0.5 % are ±0.5 % and ±1.5 %: their squares add up to 5e-4.
    deviation = sqrt(5e-4 / 3)
    ratio = 0.005 / deviation
    error = sqrt((1 + (1.64 - 1) / 4 * ratio**2) / 3)  # skewness 0, kurtosis 2.5625e-8 / 1.25e-4²
    expected = {
        "sessions": 4,
        "total_return": 0.019898,
        "annual_return": 1.019898**63 - 1,
        "volatility": deviation * ROOT,
        "sharpe": ratio * ROOT,
        "max_drawdown": 0.01,
        "calmar": (1.019898**63 - 1) / 0.01,
        "benchmark_return": 1.005 * 0.995 * 1.01 - 1,
        "excess_return": 0.019898 - (1.005 * 0.995 * 1.01 - 1),
        "excess_sharpe": ratio * ROOT,  # the excess is half of the return in every session
        "sortino": ROOT,  # one fall of 1 % in four sessions: √(1e-4 / 4) is the mean itself
        "turnover": (0.5 + 0.1) / 4,
        "cost": 0.0004,
        "psr": NormalDist().cdf(ratio / error),
        "deflated_sharpe": NormalDist().cdf(ratio / error),  # its owner's only trial
        "trials": 1,
        "min_track_record": 20,  # 1 + 1.024 × 2.70554 / 0.15 = 19.47
    }
    assert (row["rolling_excess_sharpe"], row["score"]) == (None, None)
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    assert row["psr"] == pytest.approx(0.7463, abs=1e-4)


def test_after_one_session_only_sums_are_defined() -> None:
    row = newest([1_010_000.0], [0.02])
    defined = {name for name, value in row.items() if value is not None}
    sums = {"total_return", "max_drawdown", "benchmark_return", "excess_return", "turnover", "cost", "traded", "costs"}
    assert defined == {"strategy", "session", "sessions", "trials", *sums}
    assert (row["total_return"], row["max_drawdown"]) == pytest.approx((0.01, 0.0))
    assert row["excess_return"] == pytest.approx(-0.01)


def test_the_first_fall_is_from_the_initial_capital() -> None:
    assert newest([900_000.0, 990_000.0])["max_drawdown"] == pytest.approx(0.1)


def test_a_nav_that_never_moves_has_no_ratio() -> None:
    row = newest([1_000_000.0] * 80)
    undefined = {"sharpe", "calmar", "excess_sharpe", "rolling_excess_sharpe", "sortino", "psr", "deflated_sharpe"}
    assert {name for name, value in row.items() if value is None} == {*undefined, "min_track_record"}
    assert (row["annual_return"], row["volatility"], row["max_drawdown"]) == (0.0, 0.0, 0.0)
    assert row["score"] == pytest.approx(20 + 15 * 80 / 252 + 5)


def test_rounding_is_not_a_deviation() -> None:
    level, benchmark = [100_000_000.0 * 2**n for n in range(1, 12)], [0.1 + 0.2] * 11
    row = newest(level, benchmark, initial_capital=100_000_000)
    assert (row["sharpe"], row["excess_sharpe"], row["sortino"], row["psr"]) == (None,) * 4


def test_a_strategy_that_lost_everything_has_a_return_of_minus_one_and_no_ratio() -> None:
    row = newest([500_000.0, 0.0, 0.0, 0.0])
    assert (row["total_return"], row["annual_return"], row["max_drawdown"], row["calmar"]) == (-1, -1, 1, -1)
    assert (row["sharpe"], row["volatility"]) == (None, None)  # a return on nothing is no return


def test_at_a_loss_no_track_record_is_long_enough() -> None:
    row = newest([990_000.0, 1_000_000.0, 980_000.0])
    assert row["sharpe"] < 0
    assert row["min_track_record"] is None


def test_an_unknown_benchmark_leaves_its_session_out() -> None:
    row = newest(LEVELS, [0.005, None, 0.01, 0.0])
    assert (row["benchmark_return"], row["excess_return"]) == (None, None)
    excess = [0.005, 0.01, 0.0]
    assert row["excess_sharpe"] == pytest.approx(ROOT)  # mean 0.5 %, deviation 0.5 %
    assert sum(excess) / 3 == pytest.approx(0.005)
    levels = [1_000_000.0 + 1_000 * (n % 7) for n in range(130)]
    rolling = evaluated(histories({"one": levels}, [None, *[0.0] * 69, None, *[0.0] * 59], {}))["rolling_excess_sharpe"]
    assert rolling.is_not_null().arg_true().to_list() == list(range(60, 70))


def test_trials_are_counted_from_the_day_a_strategy_is_opened_on() -> None:
    nav = histories({"one": LEVELS}, BENCHMARK, {})
    late = strategies("two", opened=day(2)), strategies("three", opened=day(9)), strategies("four", owner="bo")
    rows = evaluated(nav, 0, pl.concat([strategies("one"), *late]))
    assert rows["trials"].to_list() == [1, 1, 2, 2]
    # Of one strategy's Sharpe ratio alone the spread is its own standard error.
    ratio, error = sqrt(0.15), sqrt(1.024 / 3)
    luckiest = 0.5772156649015329 * NormalDist().inv_cdf(1 - 1 / (2 * 2.718281828459045)) * error
    assert rows["deflated_sharpe"][3] == pytest.approx(NormalDist().cdf((ratio - luckiest) / error), rel=1e-9)


def test_the_spread_is_that_of_the_owners_strategies_retired_ones_too() -> None:
    up = [1_000_000.0 * (1 + 0.001 * n + 0.002 * (n % 2)) for n in range(1, 31)]
    down = [1_000_000.0 * (1 - 0.0005 * n + 0.003 * (n % 3)) for n in range(1, 23)]
    young = [1_000_000.0 * (1 + 0.01 * n**2) for n in range(1, 6)]
    others = {"down": down, "young": young}
    rows = evaluated(histories({"up": up, **others}, [0.0] * 30, {"young": 25}), 29)
    alone = {slug: newest(levels) for slug, levels in {"up": up, "down": down}.items()}
    one, two = (alone[slug]["sharpe"] / ROOT for slug in ("up", "down"))
    luckiest = (
        abs(one - two)
        / sqrt(2)
        * (
            0.4227843350984671 * NormalDist().inv_cdf(1 - 1 / 3)
            + 0.5772156649015329 * NormalDist().inv_cdf(1 - 1 / (3 * 2.718281828459045))
        )
    )
    assert rows["strategy"].to_list() == ["up", "young"]
    error = one / NormalDist().inv_cdf(alone["up"]["psr"])
    assert rows["deflated_sharpe"][0] == pytest.approx(NormalDist().cdf((one - luckiest) / error), rel=1e-6)
    assert rows["trials"].to_list() == [3, 3]


def score(**figures: float | str | None) -> dict[str, float | None]:
    plain = {"sessions": 252, "psr": 0.9, "share_above": 0.5, "max_drawdown": 0.2, "verdict": None}
    kinds = dict.fromkeys(("psr", "share_above", "max_drawdown"), pl.Float64) | {"verdict": pl.String}
    frame = pl.DataFrame([plain | figures], schema_overrides=kinds)
    return add_score(frame).select("^score.*$").row(0, named=True)


def test_the_score_is_the_sum_of_its_parts() -> None:
    parts = {"psr": 31.5, "excess": 10.0, "drawdown": 10.0, "length": 15.0, "claim": 10.0}
    expected = {f"score_{name}": value for name, value in parts.items()} | {"score": 76.5}
    assert score() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("sessions", "verdict", "points"),
    [
        (251, None, 5.0),
        (252, None, 10.0),
        (20, "consistent", 10.0),
        (300, "moderate_divergence", 5.0),
        (300, "significant_divergence", 0.0),
    ],
)
def test_a_claim_gets_points_by_its_verdict_and_none_by_length(
    sessions: int, verdict: str | None, points: float
) -> None:
    assert score(sessions=sessions, verdict=verdict)["score_claim"] == points


def test_there_is_no_score_before_the_20th_session_and_what_is_undefined_adds_nothing() -> None:
    assert set(score(sessions=19).values()) == {None}
    assert score(sessions=20, psr=None, share_above=None)["score"] == pytest.approx(10 + 15 * 20 / 252 + 5)


def test_a_frame_that_is_not_as_described_is_refused() -> None:
    nav = histories({"one": LEVELS}, BENCHMARK, {})
    with pytest.raises(InputError, match=r"nav\.nav: expected Decimal"):
        evaluated(nav.with_columns(pl.col("nav").cast(pl.Float64)))
    with pytest.raises(InputError, match="strategies: expected a column owner"):
        evaluated(nav, 0, strategies("one").drop("owner"))
    with pytest.raises(InputError, match="nav: expected strategies of strategies only"):
        evaluated(nav, 0, strategies("two"))
    with pytest.raises(InputError, match="nav: expected one row a strategy and session"):
        evaluated(pl.concat([nav, nav]))


def test_nothing_to_evaluate_is_an_empty_frame() -> None:
    nothing = evaluated(histories({}, [], {}))
    assert nothing.is_empty()
    assert nothing.schema == pl.Schema(EVALUATIONS.schema)
    assert evaluated(histories({"one": LEVELS}, BENCHMARK, {}), 9).is_empty()
    assert date(2025, 1, 1) == day(0)


def test_a_verdict_counts_for_its_own_session() -> None:
    nav = histories({"one": [1e6 + n for n in range(24)]}, [0.0] * 24, {})
    told = [("one", day(21), "consistent"), ("one", day(22), "significant_divergence")]
    rows = evaluated(nav, 20, verdicts=told)
    assert rows["score_claim"].to_list() == [5.0, 10.0, 0.0, 5.0]
    assert rows["score"].is_not_null().all()
