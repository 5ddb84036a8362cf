"""Every figure of a factor against scipy, alphalens and pandas; and the laws of the definitions."""

import json
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.domain.arrays import Floats
from countersign.domain.factors.figures import newey_west_t
from countersign.domain.factors.panel import make_panel, rank_values
from countersign.domain.factors.validation import AdmissionCheck, FactorReport, evaluate_factor
from countersign.models.errors import InputError
from tests.support.factor_worlds import calendar, forward, long, names, prices
from tests.support.shared import shared
from tests.support.slow_factors import slow_correlation, slow_report

GOLDEN = Path(__file__).parents[2] / "golden" / "factors"
SESSIONS, SYMBOLS = 72, 35


def dense(rng: np.random.Generator) -> Floats:
    return rng.normal(size=(SESSIONS, SYMBOLS))


def tied(rng: np.random.Generator) -> Floats:
    return rng.integers(-3, 4, (SESSIONS, SYMBOLS)).astype(float)


def sparse(rng: np.random.Generator) -> Floats:
    """A third is missing, of some sessions all or nearly all."""
    panel = np.round(rng.normal(size=(SESSIONS, SYMBOLS)), 1)
    panel[rng.random(panel.shape) < 0.33] = np.nan
    panel[10] = np.nan
    panel[20, 9:] = np.nan
    return panel


def constant(rng: np.random.Generator) -> Floats:
    """Some cross-sections are the same throughout, some but for a few symbols: their outer quintiles may be empty."""
    panel = rng.normal(size=(SESSIONS, SYMBOLS))
    panel[5:8] = 2.5
    panel[30, 2:] = 0.0
    panel[31, :-2] = -0.0
    return panel


WORLDS = [dense, tied, sparse, constant]


def evaluate(values: Floats, closes: Floats, **others: Floats) -> FactorReport:
    theirs = {name: long(panel) for name, panel in others.items()}
    return evaluate_factor(long(values), long(closes, "close"), None, theirs, calendar(len(closes)))


def by_session(frame: pl.DataFrame, column: str) -> list[float]:
    """A column over the calendar, nan where it is null or the session has no row."""
    days = pl.DataFrame({"session": calendar(SESSIONS)})
    return days.join(frame, on="session", how="left")[column].fill_null(np.nan).to_list()


@pytest.mark.parametrize("world", WORLDS)
def test_every_figure_equals_its_definition_in_scipy_and_pandas(
    world: Callable[[np.random.Generator], Floats],
) -> None:
    rng = np.random.default_rng(4)
    values, closes = world(rng), prices(rng, SESSIONS + 6, SYMBOLS)
    closes[rng.random(closes.shape) < 0.05] = np.nan
    closes[40] = closes[39]  # a session whose returns are constant
    other = np.where(rng.random(values.shape) < 0.2, np.nan, np.nan_to_num(values) + rng.normal(size=values.shape))
    report, expected = evaluate(values, closes, other=other), slow_report(values, closes)
    assert by_session(report.ic, "ic") == pytest.approx(expected["ic"].to_list(), nan_ok=True, abs=1e-12)
    assert expected["ic"].isna().sum() >= 1
    for column in ("ls_return", "cumulative"):
        ours = by_session(report.ls_returns, column)
        theirs = expected[column].where(~np.isnan(values).all(axis=1)).to_list()
        assert ours == pytest.approx(theirs, nan_ok=True, abs=1e-12), column
    for quintile in range(1, 6):
        ours = by_session(report.quintile_returns, f"q{quintile}")
        assert ours == pytest.approx(expected["quintiles"][quintile].to_list(), nan_ok=True, abs=1e-12)
        assert report.quintile_means[quintile - 1] == pytest.approx(expected["quintiles"][quintile].mean(), abs=1e-12)
    assert report.ic_decay == pytest.approx(expected["ic_decay"], abs=1e-12)
    for name in ("ic_mean", "ic_ir", "turnover", "sharpe", "fitness", "data_days", "newey_west_t", "ic_positive_share"):
        assert getattr(report, name) == pytest.approx(expected[name], rel=1e-9), name
    for ours, theirs in zip(report.yearly_stats, expected["yearly_stats"], strict=True):
        assert ours._asdict() == pytest.approx(theirs, rel=1e-9)
    assert len(report.yearly_stats) == 2
    assert report.correlations["other"] == pytest.approx(slow_correlation(values, other), abs=1e-12)


@pytest.mark.parametrize("world", WORLDS)
def test_alphalens_agrees_where_it_means_the_same(world: Callable[[np.random.Generator], Floats]) -> None:
    """Its IC is ours in every session of 10 symbols or more. Its quantiles (pd.qcut) are cut at interpolated values:
    ours without ties where five divides the number of symbols; elsewhere a cut may fall a symbol away, and a session of
    many ties is left out.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from alphalens import performance, utils  # noqa: PLC0415 - two seconds, and warnings of its own
    rng = np.random.default_rng(5)
    values, closes = world(rng), prices(rng, SESSIONS + 6, SYMBOLS)
    report = evaluate(values, closes)
    days = pd.DatetimeIndex(calendar(SESSIONS + 1))
    panel = pd.DataFrame(values, days[:SESSIONS], names(SYMBOLS))
    factor = panel[panel.notna().sum(axis=1) >= 10].stack().dropna()
    cut = {"quantiles": 5} if world is dense else {"quantiles": None, "bins": 1}

    def clean(lag: int) -> Any:
        # A price dated t is the close of t + lag: alphalens has no delay of its own.
        delayed = pd.DataFrame(closes[lag : lag + SESSIONS + 1], days, names(SYMBOLS))
        return utils.get_clean_factor_and_forward_returns(factor, delayed, periods=(1,), max_loss=1, **cut)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tables = {lag: clean(lag) for lag in (1, 5)}
        ics = {lag: performance.factor_information_coefficient(each).iloc[:, 0] for lag, each in tables.items()}
    counted = report.ic.drop_nulls("ic")
    first = ics[1].dropna()
    assert counted["session"].to_list() == list(first.index.date)
    assert (counted.height < SESSIONS) is (world in {sparse, constant})
    assert counted["ic"].to_list() == pytest.approx(first.to_list(), abs=1e-12)
    assert report.ic_mean == pytest.approx(first.mean(), abs=1e-12)
    for lag, ic in ics.items():
        assert report.ic_decay[lag - 1] == pytest.approx(ic.mean(), abs=1e-12)
    if world is dense:
        means = performance.mean_return_by_quantile(tables[1], by_date=True, demeaned=False)[0].iloc[:, 0].unstack(0)
        turnover = [performance.quantile_turnover(tables[1]["factor_quantile"], q).dropna() for q in (1, 5)]
        for quintile in range(1, 6):
            ours = report.quintile_returns[f"q{quintile}"].to_list()
            assert ours == pytest.approx(means[quintile].dropna().to_list(), abs=1e-12)
        assert report.turnover == pytest.approx(np.mean([share.mean() for share in turnover]), abs=1e-12)


def test_newey_west_is_that_of_statsmodels() -> None:
    # sm.OLS(x, ones).fit(cov_type="HAC", cov_kwds={"maxlags": 5, "use_correction": False}).tvalues, statsmodels 0.15.0
    x = np.sin(np.arange(60.0)) + 0.1 * np.arange(60.0) % 1
    assert newey_west_t(x) == pytest.approx(9.160235411146312, rel=1e-9)


def test_the_published_factor_on_the_real_bars_of_2018() -> None:
    """VOL5 of JoinQuant's jqfactor_analyzer, against pandas and scipy, and against JoinQuant's published figures."""
    table = pd.read_csv(shared("reference/JoinQuant-jqfactor_analyzer/VOL5.csv"), index_col=0, parse_dates=True)
    bars = pl.read_parquet(shared("market/bars_csi800_2018_2026.parquet"))
    closes = bars.select("session", "symbol", close=pl.col("close") * pl.col("adj_factor"))
    sessions = closes["session"].unique().sort().to_list()
    values = pl.DataFrame(
        {
            "session": pl.Series(np.repeat(table.index.to_numpy(), table.shape[1])).cast(pl.Date),
            "symbol": [name.replace("XSHE", "SZ").replace("XSHG", "SH") for name in table.columns] * len(table),
            "value": table.to_numpy().ravel(),
        }
    ).filter(pl.col("value").is_not_nan())
    golden = json.loads((GOLDEN / "vol5.json").read_text())
    report = evaluate_factor(values, closes, None, {}, sessions)
    assert report.ic["ic"].to_list() == pytest.approx(golden["ic"], abs=1e-9)
    assert report.ic["symbols"].to_list() == golden["symbols"]
    for name in ("ic_mean", "ic_ir", "turnover", "sharpe", "fitness", "ic_decay"):
        assert getattr(report, name) == pytest.approx(golden[name], rel=1e-9), name
    # Dated a session earlier, delay 1 is their delay 0; they publish a mean IC of -0.030 for one day, and with these
    # bars, which have 289 of their 300 symbols, it is -0.0296.
    sessions.insert(0, date(2017, 12, 29))
    earlier = pl.DataFrame({"session": sessions[1:], "before": sessions[:-1]})
    moved = values.join(earlier, on="session").select("symbol", "value", session="before")
    assert evaluate_factor(moved, closes, None, {}, sessions).ic_mean == pytest.approx(-0.0296, abs=5e-5)


@pytest.mark.parametrize("lag", [0, 1, 2, 3, 4, 5])
def test_a_factor_that_is_a_later_return_has_an_ic_of_exactly_1_at_that_lag_alone(lag: int) -> None:
    closes = prices(np.random.default_rng(6), SESSIONS + 6, SYMBOLS)
    values = forward(closes, lag)[:SESSIONS]
    report = evaluate(values, closes)
    for k, found in enumerate(report.ic_decay, start=1):
        assert found is not None
        assert (found == 1.0) is (k == lag), (k, found)
        assert k == lag or abs(found) < 0.1
    assert (report.ic["ic"].to_list() == [1.0] * SESSIONS) is (lag == 1)
    assert (report.ic_ir is None) is (lag == 1)  # no deviation, no ratio


def test_sessions_that_do_not_count_are_null_and_in_no_mean() -> None:
    rng = np.random.default_rng(7)
    closes = prices(rng, SESSIONS + 6, SYMBOLS)
    values = np.full((SESSIONS, SYMBOLS), np.nan)
    values[::2, :9] = rng.normal(size=(SESSIONS // 2, 9))
    values[1::2] = 3.0
    values[4, :10] = rng.normal(size=10)
    report = evaluate(values, closes)
    counted = report.ic.filter(pl.col("ic").is_not_null())
    assert counted["session"].to_list() == [calendar(5)[4]]
    assert (report.ic_mean, report.ic_ir, report.turnover) == (counted["ic"][0], None, None)
    assert report.data_days == SESSIONS
    assert report.ic["symbols"][:3].to_list() == [9, SYMBOLS, 9]
    assert report.ls_returns["ls_return"].null_count() == SESSIONS - 1


def test_a_factor_without_any_return_has_no_figure_but_its_own() -> None:
    values = dense(np.random.default_rng(8))
    report = evaluate_factor(long(values), long(np.full((1, 1), 9.0), "close"), None, {}, calendar(SESSIONS))
    nothing = ("ic_mean", "ic_ir", "sharpe", "fitness", "coverage", "max_correlation", "newey_west_t")
    assert [getattr(report, name) for name in (*nothing, "ic_positive_share")] == [None] * 8
    assert report.ic_decay == report.quintile_means == (None,) * 5
    assert report.turnover is not None
    assert report.data_days == SESSIONS
    assert report.ic["ic"].null_count() == SESSIONS
    assert [year.returns for year in report.yearly_stats] == [None, None]
    assert not report.passed
    assert {name for name, check in report.checks.items() if check.passed} == {"SELF_CORRELATION"}


def test_coverage_is_of_the_members_of_each_session() -> None:
    values = np.full((3, 4), np.nan)
    values[0], values[2, :2] = [1, 2, 3, 4], [1, 2]
    members = pl.concat([long(np.ones((1, 2))), long(np.ones((3, 4)))[-4:]]).select("session", "symbol")
    strangers = pl.DataFrame({"session": [calendar(3)[2]] * 4, "symbol": ["1", "2", "3", "4"]})
    closes, days = long(np.ones((3, 4)), "close"), calendar(9)
    coverage = evaluate_factor(long(values), closes, pl.concat([members, strangers]), {}, days).coverage
    assert coverage == pytest.approx((2 / 2 + 2 / 8) / 2)
    assert evaluate_factor(long(values), closes, members.clear(), {}, days).coverage is None


def test_a_factor_is_admitted_and_its_twin_refused() -> None:
    rng = np.random.default_rng(9)
    drift = rng.normal(0, 0.01, (1, 60))
    closes = np.exp(np.cumsum(drift + rng.normal(0, 0.02, (156, 60)), axis=0))
    values = (drift + rng.normal(0, 0.002, (150, 60)))[:150]
    unlike, twin = rng.normal(size=(150, 60)), -values
    admitted = evaluate(values, closes, unlike=unlike)
    assert admitted.passed
    assert admitted.max_correlation_factor == "unlike"
    refused = evaluate(values, closes, unlike=unlike, twin=twin)
    assert refused.max_correlation == refused.correlations["twin"] == -1.0
    assert refused.checks["SELF_CORRELATION"] == AdmissionCheck(1.0, 0.7, passed=False)
    assert not refused.passed
    # Upside down it is as good, and bought the other way round.
    turned = evaluate(twin, closes, unlike=unlike)
    assert turned.passed
    assert admitted.ic_mean is not None
    assert turned.ic_mean == -admitted.ic_mean
    short = evaluate(values[:119], closes[:125])
    assert short.checks["DATA_COVERAGE"] == AdmissionCheck(119, 120, passed=False)
    assert not short.passed


def figures(report: FactorReport) -> dict[str, Any]:
    """The scalars of a report that only the ranks of the values decide."""
    kept = ("ic_mean", "ic_ir", "ic_decay", "turnover", "data_days", "newey_west_t", "ic_positive_share")
    return {name: getattr(report, name) for name in kept} | {"ic": report.ic["ic"].to_list()}


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.sampled_from(WORLDS))
def test_only_the_order_of_the_values_matters(seed: int, world: Callable[[np.random.Generator], Floats]) -> None:
    rng = np.random.default_rng(seed)
    values, closes, other = world(rng), prices(rng, SESSIONS + 6, SYMBOLS), sparse(rng)
    report = evaluate(values, closes, other=other)
    bent = evaluate(np.arctan(values) ** 3 * 1e250, closes, other=np.exp(other))
    assert figures(bent) == figures(report)
    assert bent.correlations == report.correlations
    assert bent.ls_returns.equals(report.ls_returns)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.sampled_from(WORLDS))
def test_neither_names_nor_the_order_of_rows_matter(seed: int, world: Callable[[np.random.Generator], Floats]) -> None:
    rng = np.random.default_rng(seed)
    values, closes, other = world(rng), prices(rng, SESSIONS + 6, SYMBOLS), sparse(rng)
    report, moved = evaluate(values, closes, other=other), rng.permutation(SYMBOLS)
    permuted = evaluate(values[:, moved], closes[:, moved], other=other[:, moved])
    assert figures(permuted) == figures(report)
    assert permuted.sharpe == pytest.approx(report.sharpe, rel=1e-9)
    assert permuted.correlations == report.correlations
    frames = [frame.sample(fraction=1, shuffle=True, seed=seed) for frame in (long(values), long(closes, "close"))]
    shuffled = evaluate_factor(*frames, None, {"other": rank_values(long(other))}, calendar(SESSIONS + 6))
    assert figures(shuffled) == figures(report)
    assert shuffled.correlations == report.correlations
    assert shuffled.quintile_returns.equals(report.quintile_returns)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_a_symbol_without_a_return_matters_to_coverage_and_turnover_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, closes = tied(rng), prices(rng, SESSIONS + 6, SYMBOLS)
    closes[:, -1] = np.nan
    members = long(np.ones((SESSIONS, SYMBOLS))).select("session", "symbol")
    days, priced = calendar(SESSIONS + 6), long(closes, "close")
    report = evaluate_factor(long(values), priced, members, {}, days)
    values[:, -1] = np.nan
    without = evaluate_factor(long(values), priced, members, {}, days)
    assert (report.coverage, without.coverage) == (1.0, pytest.approx(1 - 1 / SYMBOLS))
    own = {"turnover": None}
    assert figures(report) | own == figures(without) | own
    assert report.quintile_returns.equals(without.quintile_returns)


def test_symbols_may_be_categories() -> None:
    rng = np.random.default_rng(10)
    values, closes = sparse(rng), prices(rng, SESSIONS + 6, SYMBOLS)
    report = evaluate(values, closes, other=values + dense(rng))
    assert report.max_correlation is not None
    of_frame, days = long(values), calendar(SESSIONS)
    expected = make_panel(of_frame, days, pl.Series(names(SYMBOLS)))
    assert np.array_equal(expected, values, equal_nan=True)
    for kind in (pl.Categorical, pl.Enum([*reversed(names(SYMBOLS)), "x"])):
        cast = of_frame.with_columns(pl.col("symbol").cast(kind))
        assert np.array_equal(make_panel(cast, days, pl.Series(names(SYMBOLS))), values, equal_nan=True)
        same = evaluate_factor(cast, long(closes, "close"), None, {"other": cast}, calendar(SESSIONS + 6))
        assert figures(same) == figures(report)
        assert same.max_correlation == 1.0


BAD = {
    "values.value": pl.col("value").cast(pl.String),
    "values.symbol": pl.col("symbol").str.len_bytes().alias("symbol"),
    "values": pl.lit(np.nan).alias("value"),
    "values.session": pl.col("session").dt.offset_by("1y"),
}


@pytest.mark.parametrize("field", BAD)
def test_bad_values_are_refused_by_name(field: str) -> None:
    values = long(np.ones((3, 12))).with_columns(BAD[field])
    with pytest.raises(InputError) as error:
        evaluate_factor(values, long(np.ones((9, 12)), "close"), None, {}, calendar(9))
    assert error.value.field == field


@pytest.mark.parametrize("value", [np.inf, -np.inf, None])
def test_a_value_is_a_finite_number(value: float | None) -> None:
    values = long(np.ones((3, 12))).with_columns(value=pl.lit(value, pl.Float64))
    with pytest.raises(InputError, match="a finite number"):
        evaluate_factor(values, long(np.ones((9, 12)), "close"), None, {}, calendar(9))


def test_a_value_twice_and_none_at_all_are_refused() -> None:
    values, closes = long(np.ones((3, 12))), long(np.ones((9, 12)), "close")
    twice = {"values": pl.concat([values, values[7:8]]), "closes": pl.concat([closes, closes[7:8]])}
    for field, frame in twice.items():
        with pytest.raises(InputError, match=f"{field}: expected one value a symbol"):
            evaluate_factor(
                **{"values": values, "closes": closes, field: frame}, members=None, others={}, sessions=calendar(9)
            )
    with pytest.raises(InputError, match="others: expected one value a symbol"):
        evaluate_factor(values, closes, None, {"other": twice["values"]}, calendar(9))
    with pytest.raises(InputError, match="at least one value"):
        evaluate_factor(values.clear(), closes, None, {}, calendar(9))
    with pytest.raises(InputError, match="ascending"):
        evaluate_factor(values, closes, None, {}, calendar(9)[::-1])
