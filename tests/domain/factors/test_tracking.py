"""Tracking out of sample: many factors of a session at once, and the means of their figures."""

from collections.abc import Collection
from datetime import date

import numpy as np
import polars as pl
import pytest
from scipy import stats

from countersign.domain.factors.tracking import forward_returns, os_means, track
from countersign.domain.factors.validation import evaluate_factor
from countersign.models.errors import InputError
from tests.support.factor_worlds import calendar, long, names, prices

DAYS = calendar(200)


def tracked(factor: str, ics: list[float | None], late: Collection[int] = ()) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "factor": factor,
            "session": DAYS[: len(ics)],
            "ic": pl.Series(ics, dtype=pl.Float64),
            "in_time": [i not in late for i in range(len(ics))],
        }
    )


def activated(**when: date) -> pl.DataFrame:
    return pl.DataFrame({"factor": list(when), "activated": list(when.values())})


def test_a_session_is_tracked_as_it_is_validated() -> None:
    rng = np.random.default_rng(1)
    closes = prices(rng, 9, 40)
    closes[rng.random(closes.shape) < 0.05] = np.nan
    panels = {f"f{i:02}": np.round(rng.normal(size=(3, 40)), 1) for i in range(12)}
    panels["few"], panels["flat"] = panels["f00"].copy(), np.ones((3, 40))
    panels["few"][:, 9:] = np.nan
    values = pl.concat(
        long(panel).filter(pl.col("session") == DAYS[1]).select("symbol", "value", factor=pl.lit(name))
        for name, panel in panels.items()
    )
    returns = forward_returns(DAYS[1], long(closes, "close"), DAYS)
    found = track(DAYS[1], values.sample(fraction=1, shuffle=True, seed=1), returns)
    assert found["factor"].to_list() == sorted(panels)
    assert set(found["session"]) == {DAYS[1]}
    for factor, _, ic, symbols in found.iter_rows():
        report = evaluate_factor(long(panels[factor]), long(closes, "close"), None, {}, DAYS)
        assert report.ic.row(1)[1:] == (ic, symbols), factor
        if factor in ("few", "flat"):
            assert ic is None
        else:
            pairs = pl.DataFrame({"symbol": names(40), "f": panels[factor][1]}).join(returns, on="symbol")
            assert ic == pytest.approx(stats.spearmanr(pairs["f"], pairs["forward_return"]).statistic, abs=1e-12)


def test_forward_returns_end_where_the_closes_do() -> None:
    closes = long(np.array([[1.0, 5.0, 8.0], [2.0, 4.0, np.nan], [3.0, 0.0, 9.0]]), "close")
    found = forward_returns(DAYS[0], closes, DAYS)
    assert found.rows() == [(names(1)[0], 0.5)]  # a close of 0 is none
    assert forward_returns(DAYS[1], closes, DAYS).is_empty()
    assert forward_returns(DAYS[1], closes, DAYS[:3]).is_empty()
    with pytest.raises(InputError, match="session of the calendar"):
        forward_returns(date(2023, 10, 1), closes, DAYS)


def test_bad_values_are_refused() -> None:
    values = pl.DataFrame({"factor": ["a", "a"], "symbol": ["x", "x"], "value": [1.0, 2.0]})
    returns = pl.DataFrame({"symbol": ["x"], "forward_return": [0.1]})
    with pytest.raises(InputError, match="one value a symbol"):
        track(DAYS[0], values, returns)
    with pytest.raises(InputError, match="finite"):
        track(DAYS[0], values.with_columns(value=pl.lit(np.inf)), returns)


def test_means_are_of_the_last_sessions_in_time_after_activation() -> None:
    ics = [round(0.01 * (i % 7) - 0.02, 2) for i in range(150)]
    late, no_ic = {60, 120, 149}, {3, 100, 130}
    frame = tracked("a", [None if i in no_ic else ic for i, ic in enumerate(ics)], late)
    row = os_means(frame.sample(fraction=1, shuffle=True, seed=3), activated(a=DAYS[20])).row(0, named=True)
    counted = [ic for i, ic in enumerate(ics) if i > 20 and i not in late | no_ic]
    assert len(counted) == 150 - 21 - 5
    expected = {f"ic_mean_{n}d": pytest.approx(sum(counted[-n:]) / n) for n in (30, 60, 120)}
    assert row == {"factor": "a", **expected, "late": 3}


def test_means_of_fewer_than_ten_are_null() -> None:
    frame = pl.concat([tracked("few", [0.1] * 12, {0, 1, 2}), tracked("ten", [0.1] * 12, {0, 1})])
    found = os_means(frame, activated(ten=date(2023, 1, 1), none=DAYS[0], few=date(2023, 1, 1)))
    assert found.rows() == [
        ("few", None, None, None, 3),
        ("none", None, None, None, 0),
        ("ten", *(pytest.approx(0.1),) * 3, 2),
    ]
    with pytest.raises(InputError, match="one row a factor and session"):
        os_means(pl.concat([frame, frame]), activated(ten=DAYS[0]))
