"""Factors tracked out of sample: waiting sessions, their figures, and values that came late."""

from datetime import date

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa
from scipy.stats import spearmanr

from countersign.domain.sessions import CLOSE, at
from countersign.models.datasets import BARS, FACTOR_IC, FACTOR_VALUES
from countersign.models.problems import Repair
from countersign.models.tables.factors import Factor, FactorSession
from countersign.services.factors.series import read_series
from countersign.services.factors.track import chart, draw, find_untracked, list_tracked, track_sessions
from countersign.services.factors.tracking import untracked
from countersign.services.watchdog.checks import find_problems
from countersign.services.watchdog.factor_checks import FACTOR_CHECKS
from countersign.store.home import Home
from countersign.store.market import stage_sessions
from tests.support.factors import market_of
from tests.support.portfolios import NAMES, SLOTS, Lab, factor_of, upload


@pytest.fixture
def home(lab_home: Home) -> Home:
    """The home of the lab, under its usual name."""
    return lab_home


def track_due(home: Home, through: date) -> list[date]:
    due = find_untracked(home, through)
    return [done.session for done in track_sessions(home, due)] if due else []


def test_a_session_waits_until_its_return_is_known(home: Home, lab: Lab) -> None:
    first, _, third, *_ = lab.later
    assert track_due(home, third) == []  # nobody has uploaded anything
    for n, day in enumerate(lab.later):
        home.clock.set(at(day, SLOTS["watchdog"].at))
        for name in NAMES:
            upload(home, lab.owner, lab.factors[name], name, day, day)
        assert track_due(home, day) == ([lab.later[n - 2]] if n > 1 else [])
    tracked = home.lake.read(FACTOR_IC, first).filter(pl.col("phase") == "os")
    for name in NAMES:
        row = tracked.row(by_predicate=pl.col("factor") == lab.factors[name], named=True)
        assert row["ic"] == pytest.approx(ic_by_hand(home, name, lab.later), abs=1e-12)
        assert (row["symbols"], row["ls_return"]) == (30, None)
    assert track_due(home, lab.later[-1]) == []
    found = factor_of(home, lab, "first")
    assert (found.os_sessions, found.os_late, found.os_ic_mean_30d) == (3, 0, None)
    assert read_series(home.lake, lab.factors["first"])["phase"].unique().to_list() == ["is"]


def ic_by_hand(home: Home, name: str, days: tuple[date, ...]) -> float:
    """Spearman's correlation of a session's values with close × factor, two sessions later over one later."""
    market = market_of(home)
    values = market.values[name].filter(pl.col("date") == days[0]).sort("symbol")["value"].to_numpy()
    one, two = (
        market.bars.filter(pl.col("session") == day).sort("symbol").select(pl.col("close") * pl.col("adj_factor"))
        for day in days[1:3]
    )
    return float(spearmanr(values, two.to_series().to_numpy() / one.to_series().to_numpy()).statistic)


def test_late_values_are_kept_counted_and_left_out(home: Home, lab: Lab) -> None:
    first, second, _, fourth, _ = lab.later
    home.clock.set(at(first, SLOTS["watchdog"].at))
    upload(home, lab.owner, lab.factors["first"], "first", first, second)
    assert track_due(home, fourth) == [first, second]
    # The second factor's values of the first session come at the very close of the next: late. The others are in time.
    home.clock.set(at(second, CLOSE))
    upload(home, lab.owner, lab.factors["second"], "second", first, second)
    with home.ledger.read() as db:
        assert list(untracked(db, home.sessions, fourth)) == [first, second]
    assert track_due(home, fourth) == [first, second]
    assert track_due(home, fourth) == []
    kept = home.lake.read(FACTOR_IC, first).filter(pl.col("phase") == "os")
    assert set(kept["factor"]) == set(lab.factors.values())
    assert [factor_of(home, lab, name).os_late for name in NAMES] == [0, 1]
    assert [factor_of(home, lab, name).os_sessions for name in NAMES] == [2, 1]


def test_corrected_bars_make_a_session_wait_again_and_means_need_ten(home: Home, lab: Lab) -> None:
    """As if both factors had been admitted 30 sessions before."""
    days = sorted(market_of(home).bars["session"].unique())
    last = days[-1]
    with home.ledger.write() as db:
        for factor in lab.factors.values():
            db.get_one(Factor, factor).os_start_date = days[-36]
        db.execute(sa.update(FactorSession).values(uploaded_at=at(days[0], CLOSE)))
    upload(home, lab.owner, lab.factors["first"], "first", lab.later[0], last)
    done = track_due(home, last)
    assert done == days[-36:-2]
    ics = home.lake.scan(FACTOR_IC).filter(pl.col("phase") == "os").collect().sort("session")
    own = ics.filter(pl.col("factor") == lab.factors["first"])["ic"].to_numpy()
    found = factor_of(home, lab, "first")
    assert (found.os_sessions, len(own)) == (34, 34)
    assert found.os_ic_mean_30d == pytest.approx(np.mean(own[-30:]), abs=1e-12)
    assert found.os_ic_mean_60d == pytest.approx(np.mean(own), abs=1e-12)
    bars = home.lake.read(BARS, days[-10])
    corrected = bars.with_columns(close=pl.col("close").reverse())
    with home.ledger.write() as db:
        home.lake.commit(db, stage_sessions(home.lake, BARS, corrected), home.clock.now())
    # Its close is in the returns of two sessions.
    assert track_due(home, last) == [days[-12], days[-11]]
    assert factor_of(home, lab, "first").os_ic_mean_60d != found.os_ic_mean_60d
    rows = list_tracked(home, days[-3])
    assert sorted(row["factor"] for row in rows) == sorted(NAMES)
    assert abs(rows[0]["os_60d"]) >= abs(rows[1]["os_60d"])
    # The second has no values of the last sessions.
    assert {row["factor"]: row["ic"] is None for row in rows} == {"first": False, "second": True}
    assert chart(home, rows).count("\n") == 3


def test_the_watchdog_tells_when_tracking_is_late(home: Home, lab: Lab) -> None:
    first, _, third, *_ = lab.later
    upload(home, lab.owner, lab.factors["first"], "first", first, first)
    for at_time, expected in (
        (SLOTS["factor-tracking"].late_after, []),
        (SLOTS["poll"].late_after.replace(hour=23), [first]),
    ):
        home.clock.set(at(third, at_time))
        found = [problem for check in FACTOR_CHECKS[1:] for problem in check(home, third)]
        assert [(problem.repair, problem.session) for problem in found] == [(Repair.TRACK, day) for day in expected]
    assert track_due(home, third) == [first]
    assert FACTOR_CHECKS[1](home, third) == []


def test_a_lost_file_of_ics_is_tracked_again(home: Home, lab: Lab) -> None:
    first, _, third, *_ = lab.later
    upload(home, lab.owner, lab.factors["first"], "first", first, first)
    track_due(home, third)
    [file] = [file for file in home.lake.files(FACTOR_IC) if file.series is None]
    home.clock.set(at(third, SLOTS["watchdog"].at))
    (home.lake_path / file.path).unlink()
    assert [found.repair for found in find_problems(home, third) if found.kind == "damaged file"] == [Repair.TRACK]
    assert track_due(home, third) == [first]
    assert home.lake.verify([file]) == []
    assert track_due(home, third) == []


def test_values_that_are_lost_stop_it(home: Home, lab: Lab) -> None:
    upload(home, lab.owner, lab.factors["first"], "first", lab.later[0], lab.later[0])
    for file in home.lake.files(FACTOR_VALUES, since=lab.later[0]):
        (home.lake_path / file.path).unlink()
    with pytest.raises(Exception, match="factor_values"):
        track_due(home, lab.later[2])


def test_a_series_is_drawn_around_zero() -> None:
    assert draw([-0.2, 0.0, None, 0.1, 0.2]) == "▁▅ ▆█"
    assert draw([]) == ""
