"""Replay under a real Prefect server: the whole lifecycle from two files, and again from where it stopped."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlmodel import select

from countersign.domain.signals.replay import PassedOver
from countersign.models.datasets import NAV
from countersign.models.errors import ConflictError, HeldError, InputError
from countersign.models.tables.market import CorporateAction
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.publication.publish import lens_is_current
from countersign.store.home import Home
from countersign.store.market import upsert
from tests.support.homes import Databases, copy_home
from tests.support.journals import git
from tests.support.settling import results
from tests.support.trading import put_market, trading

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

PLAN = trading()
DAYS = PLAN.sessions


@pytest.fixture
def desk(home: Home) -> Home:
    """A home with the market and nobody in it."""
    put_market(home, PLAN.market.bars, PLAN.market.index_levels)
    with home.ledger.write() as db:
        upsert(db, CorporateAction, PLAN.market.actions)
    return home


@pytest.fixture
def strategies(tmp_path: Path) -> Path:
    """A file of the plan's strategies with their terms."""
    path = tmp_path / "strategies.csv"
    pl.DataFrame([{"slug": slug, **terms} for slug, terms in PLAN.terms.items()]).write_csv(path)
    return path


@pytest.fixture
def signals(tmp_path: Path) -> Path:
    """Without an order, as a researcher's file may be."""
    path = tmp_path / "signals.parquet"
    rows = [
        (slug, session, symbol, weight)
        for n, session in enumerate(DAYS)
        for slug, portfolio in PLAN.weights[n].items()
        for symbol, weight in portfolio.items()
    ]
    frame = pl.DataFrame(rows, schema=["strategy", "session", "symbol", "weight"], orient="row")
    frame.sample(fraction=1, shuffle=True, seed=1).write_parquet(path)
    return path


def replay(home: Home, *days: Any, **files: Path) -> dict[str, Any]:
    from countersign.flows.replay import replay as flow  # noqa: PLC0415 - imported where its server is known

    since, until = days or (DAYS[0], DAYS[-1])
    return flow(since, until, home=home.path, **files)


def rounds(home: Home) -> list[str]:
    """The journal's commits: time and message."""
    return git(home.path / "journal", "log", "--format=%ct %s").splitlines()


@pytest.mark.slow
def test_a_replay_in_two_parts_is_as_one(
    served_home: Path,
    desk: Home,
    strategies: Path,
    signals: Path,
    databases: Databases,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one with its sealer at hand, the other, as long replays do, with one in a process of its own."""
    other = copy_home(databases, desk, tmp_path / "other")
    whole = replay(desk, strategies=strategies, signals=signals)
    assert whole["sessions"] == whole["settled"] == len(DAYS)
    assert whole["signals"] == sum(map(len, PLAN.weights))
    monkeypatch.setattr("countersign.flows.replay.SESSIONS_WORTH_A_PROCESS", 1)
    replay(other, DAYS[0], DAYS[1], strategies=strategies, signals=signals)
    rest = replay(other, DAYS[0], DAYS[-1], strategies=strategies, signals=signals)
    assert (rest["sessions"], rest["settled"]) == (3, 3)
    for day in DAYS:
        # Salts differ, and so do the hashes in the files of signals; the results do not.
        assert other.lake.read(NAV, day).equals(desk.lake.read(NAV, day))
    assert [rounds(home) for home in (other, desk)] == [rounds(desk)] * 2
    assert lens_is_current(desk)
    before = results(desk)
    again = replay(desk, strategies=strategies, signals=signals)
    assert again == {"sessions": 0, "signals": 0, "settled": 0}
    assert results(desk) == before
    assert sorted(path.name for path in desk.path.iterdir() if path.name.startswith("tmp")) == []


def test_signals_are_received_ten_minutes_before_each_deadline(
    served_home: Path, desk: Home, strategies: Path, signals: Path
) -> None:
    replay(desk, DAYS[0], DAYS[0], strategies=strategies, signals=signals)
    with desk.ledger.read() as db:
        rows = db.exec(select(Signal)).all()
    assert len(rows) == len(PLAN.weights[0])
    assert {(row.deadline - row.received_at).total_seconds() for row in rows} == {600.0}
    # 18:15 in Shanghai, when settlement is due.
    assert desk.clock.now().isoformat() == f"{DAYS[0]}T10:15:00+00:00"


def test_a_held_session_ends_the_replay_and_settled_ones_stay(
    served_home: Path, desk: Home, strategies: Path, signals: Path
) -> None:
    bad = PLAN.market.bars.filter(pl.col("session") == DAYS[1]).head(5)
    put_market(desk, bad, PLAN.market.index_levels.filter(pl.col("session") == DAYS[1]))
    with pytest.raises(HeldError, match="2025-03-04 is held: too few rows"):
        replay(desk, strategies=strategies, signals=signals)
    assert desk.lake.sessions(NAV) == [DAYS[0]]
    whole = PLAN.market.bars.filter(pl.col("session") == DAYS[1])
    put_market(desk, whole, PLAN.market.index_levels.filter(pl.col("session") == DAYS[1]))
    assert replay(desk, strategies=strategies, signals=signals)["settled"] == 4


def test_a_home_with_the_systems_clock_is_refused(served_home: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "real", f"sqlite:///{tmp_path / 'real' / 'ledger.db'}", tmp_path / "real" / "lake")
    home.create()
    with pytest.raises(ConflictError, match="simulated clock"):
        replay(home)


def test_signals_of_nobody_are_refused(served_home: Path, desk: Home, strategies: Path, signals: Path) -> None:
    frame = pl.read_parquet(signals)
    frame.with_columns(pl.col("strategy").str.replace("s01", "s99")).write_parquet(signals)
    with pytest.raises(InputError, match="signals: strategy: expected the slug of a strategy, got s99"):
        replay(desk, strategies=strategies, signals=signals)
    assert desk.lake.sessions(NAV) == []


def test_a_day_is_the_exchanges_and_rows_passed_over_are_counted(
    served_home: Path, desk: Home, strategies: Path, signals: Path
) -> None:
    """Midnight in Shanghai is 16:00 of the day before in UTC: taken for that day, a signal would look ahead."""
    frame = pl.read_parquet(signals)
    sunday = frame.filter(pl.col("session") == DAYS[0]).head(1).with_columns(session=pl.lit(date(2025, 3, 2)))
    aware = pl.col("session").cast(pl.Datetime("us")).dt.replace_time_zone("Asia/Shanghai")
    pl.concat([frame, sunday]).with_columns(aware).write_parquet(signals)
    # The Sunday before the first session lies in the range, the sessions after the first do not.
    found = replay(desk, date(2025, 3, 1), DAYS[0], strategies=strategies, signals=signals)
    later = frame.filter(pl.col("session") > DAYS[0]).height
    assert found.pop("passed_over") == PassedOver(later, {date(2025, 3, 2): 1})
    assert found["signals"] == len(PLAN.weights[0])
    with desk.ledger.read() as db:
        assert {row.session for row in db.exec(select(Signal))} == {DAYS[0]}


def test_a_faulty_file_changes_nothing(served_home: Path, desk: Home, strategies: Path, signals: Path) -> None:
    utc = pl.col("session").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    pl.read_parquet(signals).with_columns(utc).write_parquet(signals)
    before = desk.clock.now()
    with pytest.raises(InputError, match=r"^signals\.parquet, row 1, column session: expected a date, .* 00:00 UTC"):
        replay(desk, strategies=strategies, signals=signals)
    with desk.ledger.read() as db:
        assert db.exec(select(Strategy)).all() == []
    assert desk.clock.now() == before
