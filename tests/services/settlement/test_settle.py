"""Settling a home's sessions by the tasks' own functions: the same results each time, after any interruption."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import orjson
import polars as pl
import pytest
from sqlmodel import select

from countersign.domain.settlement.engine import Settled
from countersign.models.datasets import BARS, MARKS, NAV, ORDERS, POSITIONS, SIGNALS
from countersign.models.enums import StrategyStatus
from countersign.models.errors import ConflictError, StoreError
from countersign.models.tables.market import CorporateAction
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.signals import Signal
from countersign.services.notifications.notifications import open_alerts
from countersign.services.settlement import planning
from countersign.services.settlement import settle as tasks
from countersign.store.home import Home
from tests.support import processes
from tests.support.crashing import die_at
from tests.support.homes import Databases, copy_home
from tests.support.settling import results, settle_due, settle_in_a_process, settle_session
from tests.support.strategies import move, open_strategies, send
from tests.support.trading import expected, put_market, trading

DAYS = trading().sessions
LAST = DAYS[-1]


@pytest.fixture(scope="module")
def truth() -> list[Settled]:
    """Results of the engine, called directly, session by session."""
    return expected()


def test_the_results_are_those_of_the_engine_called_directly(undisturbed: Home, truth: list[Settled]) -> None:
    for session, day in zip(DAYS, truth, strict=True):
        for dataset, frame in ((ORDERS, day.orders), (POSITIONS, day.positions), (NAV, day.nav)):
            assert undisturbed.lake.read(dataset, session).equals(frame), (session, dataset.name)
    events = pl.concat([day.nav for day in truth])
    # The market and the strategies give every kind of day.
    assert set(events.filter(pl.col("strategy") == "s02")["detail"]) >= {"paused"}
    assert "no signal" in events["detail"].to_list()
    assert events["detail"].str.contains("refused").any()
    assert events.filter(pl.col("strategy") == "s03")["session"].max() == DAYS[2]
    assert events.filter(pl.col("strategy") == "s07")["session"].min() == DAYS[3]
    assert "s08" not in events["strategy"]


def test_all_revisions_are_on_record_with_their_margins(undisturbed: Home) -> None:
    found = undisturbed.lake.read(SIGNALS, DAYS[0])
    first = found.filter(pl.col("strategy") == "s01", pl.col("revision") == 1)
    assert first.select("symbol", "weight").rows() == [("000001.SZ", 1.0)]
    counting = {
        slug: dict(rows.sort("symbol").select("symbol", "weight").iter_rows())
        for (slug,), rows in found.filter(pl.col("revision") == pl.col("revision").max().over("strategy")).group_by(
            "strategy"
        )
    }
    assert counting == trading().weights[0]
    # Received an hour before the open deadline; the close deadline is 5 h 45 min later.
    margins = set(first["margin_seconds"])
    assert margins == {3600.0 if trading().terms["s01"]["execution_price"] == "open" else 24_300.0}
    # A signal that a strategy sent ahead before it retired stays on record too.
    assert "s03" in undisturbed.lake.read(SIGNALS, LAST)["strategy"].to_list()
    assert "s03" not in undisturbed.lake.read(ORDERS, LAST)["strategy"].to_list()


def test_a_manifest_names_its_inputs_and_every_file(undisturbed: Home) -> None:
    with undisturbed.ledger.read() as db:
        rows = db.exec(select(Settlement).order_by("session")).all()
        hashes = db.exec(select(Signal.signal_hash).where(Signal.session == LAST)).all()
    assert [row.session for row in rows] == list(DAYS)
    files = {
        file.path: file.sha256
        for kind in (SIGNALS, ORDERS, POSITIONS, NAV, MARKS)
        for file in undisturbed.lake.files(kind, LAST)
    }
    manifest = orjson.loads(rows[-1].manifest)
    assert {file["path"]: file["sha256"] for file in manifest["files"]} == files
    assert manifest["inputs"]["previous"] == rows[-2].manifest_sha256
    assert len(hashes) > len(trading().weights[-1])
    assert undisturbed.lake.orphans() == []


def test_settling_again_writes_the_same_and_commits_nothing(settled: Home, undisturbed: Home) -> None:
    before = {path: path.stat().st_mtime_ns for path in settled.lake_path.rglob("*.parquet")}
    assert settle_due(settled, LAST) == 0
    assert [settle_session(settled, day) for day in DAYS] == [False] * len(DAYS)
    assert results(settled) == results(undisturbed)
    assert {path: path.stat().st_mtime_ns for path in settled.lake_path.rglob("*.parquet")} == before


def test_one_by_one_is_as_all_at_once(fresh: Home, undisturbed: Home) -> None:
    assert [settle_due(fresh, day) for day in DAYS] == [1] * len(DAYS)
    assert results(fresh) == results(undisturbed)


def test_chunks_divide_the_rows_and_change_none(
    fresh: Home, undisturbed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "STRATEGIES_PER_CHUNK", 3)
    settle_due(fresh, LAST)
    assert len(fresh.lake.files(NAV, LAST)) > 1
    for kind in (SIGNALS, ORDERS, POSITIONS, NAV, MARKS):
        for day in DAYS:
            assert fresh.lake.read(kind, day).equals(undisturbed.lake.read(kind, day))


@pytest.mark.parametrize("damage", ["lost", "cut", "altered"])
def test_a_damaged_file_is_restored_by_settling_its_session_again(
    settled: Home, undisturbed: Home, damage: str
) -> None:
    for kind in (NAV, ORDERS, SIGNALS, POSITIONS, MARKS):
        [file] = settled.lake.files(kind, DAYS[1], DAYS[1])
        path = settled.lake_path / file.path
        content = path.read_bytes()
        if damage == "lost":
            path.unlink()
        else:
            path.write_bytes(content[:-10] if damage == "cut" else bytes([content[0] ^ 1]) + content[1:])
    assert settle_session(settled, DAYS[1]) is False
    assert results(settled) == results(undisturbed)
    assert settled.lake.verify(settled.lake.files(NAV)) == []


def test_the_first_session_is_restored_though_earlier_bars_came_later(settled: Home, undisturbed: Home) -> None:
    bars = trading().market.bars
    day = bars["session"].min()
    assert isinstance(day, date)
    older = bars.filter(pl.col("session") == day).with_columns(pl.col("close") * 2, pl.col("high") * 2)
    put_market(settled, older, trading().market.index_levels.filter(pl.col("session") == day))
    fresh_symbol = older.head(1).with_columns(pl.lit("605555.SH").alias("symbol"))
    put_market(settled, pl.concat([older, fresh_symbol]).sort("symbol"), trading().market.index_levels.head(0))
    for file in settled.lake.files(MARKS, DAYS[0], DAYS[0]):
        (settled.lake_path / file.path).unlink()
    settle_session(settled, DAYS[0])
    assert results(settled) == results(undisturbed)


def test_bars_that_change_afterwards_never_change_a_settled_day(settled: Home, undisturbed: Home) -> None:
    market = trading().market
    changed = market.bars.filter(pl.col("session") == DAYS[1]).with_columns(pl.col("open", "close", "high") * 1.01)
    levels = market.index_levels.filter(pl.col("session") == DAYS[1]).with_columns(pl.col("close") * 2)
    put_market(settled, changed, levels)
    assert settled.lake.read(BARS, DAYS[1])["open"].to_list() == changed["open"].to_list()
    for day in DAYS:
        assert settle_session(settled, day) is False
    for file in settled.lake.files(NAV, DAYS[1], DAYS[2]):
        (settled.lake_path / file.path).unlink()
    assert [settle_session(settled, day) for day in DAYS[1:3]] == [False, False]
    assert results(settled) == results(undisturbed)


def test_actions_that_come_afterwards_never_change_a_settled_day(settled: Home, undisturbed: Home) -> None:
    with settled.ledger.write() as db:
        db.add(CorporateAction(symbol="600001.SH", session=DAYS[1], cash=1.0, bonus=0.0))
    for file in settled.lake.files(NAV, DAYS[1], DAYS[1]):
        (settled.lake_path / file.path).unlink()
    assert settle_session(settled, DAYS[1]) is False
    assert results(settled) == results(undisturbed)


def test_another_rule_book_is_a_conflict_and_changes_nothing(
    settled: Home, undisturbed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "rules_sha256", lambda _: "of other rules")
    with pytest.raises(ConflictError, match=r"2025-03-04: .* \(rules\); a settled day never changes"):
        settle_session(settled, DAYS[1])
    assert results(settled) == results(undisturbed)


def test_an_engine_that_counts_otherwise_is_found_out_and_changes_nothing(
    settled: Home, undisturbed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = tasks.settle

    def wrong(*args: object, **kwargs: object) -> Settled:
        result: Settled = honest(*args, **kwargs)  # type: ignore[arg-type]
        return result._replace(nav=result.nav.with_columns(pl.lit("better").alias("detail")))

    monkeypatch.setattr(tasks, "settle", wrong)
    with pytest.raises(StoreError, match="nothing was changed"):
        settle_session(settled, DAYS[1])
    assert results(settled) == results(undisturbed)


def test_late_changes_of_status_do_not_reach_back(settled: Home, undisturbed: Home) -> None:
    late = datetime(2025, 3, 10, tzinfo=UTC)
    move(settled, "s00", StrategyStatus.PAUSED, late)
    move(settled, "s01", StrategyStatus.RETIRED, late)
    open_strategies(settled, late, "s99")
    send(settled, date(2025, 3, 11), {"s99": {"600001.SH": 1.0}}, late)
    assert [settle_session(settled, day) for day in DAYS] == [False] * len(DAYS)
    assert results(settled) == results(undisturbed)


def test_late_changes_of_status_do_not_reach_a_late_settlement(fresh: Home, undisturbed: Home) -> None:
    late = datetime(2025, 3, 10, tzinfo=UTC)
    move(fresh, "s00", StrategyStatus.PAUSED, late)
    move(fresh, "s01", StrategyStatus.RETIRED, late)
    settle_due(fresh, LAST)
    assert results(fresh) == results(undisturbed)


def test_a_session_without_bars_is_held_and_said_so_until_there_are_some(fresh: Home, undisturbed: Home) -> None:
    market = trading().market
    [file] = fresh.lake.files(BARS, DAYS[1], DAYS[1])
    with fresh.ledger.write() as db:
        row = db.merge(file)
        row.superseded_at = fresh.clock.now()
        db.add(row)
    settle_session(fresh, DAYS[0])
    held = tasks.plan_session(fresh, DAYS[1])
    assert isinstance(held, tasks.OnHold)
    assert held.reasons[0].startswith("no bars")
    with fresh.ledger.read() as db:
        assert [matter.text for matter in open_alerts(db)] == [f"2025-03-04 is not settled: {'; '.join(held.reasons)}"]
    assert fresh.lake.read(NAV, DAYS[1]).is_empty()
    assert tasks.find_due_sessions(fresh, LAST) == list(DAYS[1:])
    day = market.bars.filter(pl.col("session") == DAYS[1])
    put_market(fresh, day, market.index_levels.filter(pl.col("session") == DAYS[1]))
    settle_due(fresh, LAST)
    assert results(fresh) == results(undisturbed)
    with fresh.ledger.read() as db:
        assert open_alerts(db) == []


def test_bars_that_the_gate_refuses_hold_the_session(fresh: Home, undisturbed: Home) -> None:
    market = trading().market
    levels = market.index_levels.filter(pl.col("session") == DAYS[0])
    bars = market.bars.filter(pl.col("session") == DAYS[0])
    for bad_bars, bad_levels, words in (
        (bars.with_columns(open=-pl.col("open")), levels, "bad price"),
        (bars.head(20), levels, "too few rows"),
        (bars, levels.head(1), "missing index"),
    ):
        put_market(fresh, bad_bars, bad_levels)
        held = tasks.plan_session(fresh, DAYS[0])
        assert isinstance(held, tasks.OnHold)
        assert words in "; ".join(held.reasons)
    put_market(fresh, bars, levels)
    settle_due(fresh, LAST)
    assert results(fresh) == results(undisturbed)


@pytest.mark.slow
def test_killed_at_any_step_settling_again_gives_the_bytes_of_an_undisturbed_run(
    fresh: Home, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "STRATEGIES_PER_CHUNK", 6)
    settle_session(fresh, DAYS[0])
    whole = copy_home(databases, fresh, tmp_path / "whole")
    settle_session(whole, DAYS[1])
    wanted, before = results(whole), results(fresh)
    # A flush, a rename and a flush of the folder for each file; before the commit, and after it.
    last = 3 * sum(f"session={DAYS[1]}" in path for path in wanted) + 2
    # Files are written before the ledger is touched, whichever it is: a few of their steps are enough on one of both.
    steps = (
        range(1, last + 2)
        if fresh.database_url.startswith("sqlite")
        else (1, 8, 15, last - 2, last - 1, last, last + 1)
    )
    homes = {step: copy_home(databases, fresh, tmp_path / f"killed-{step}") for step in steps}

    def attempt(step: int) -> int | None:
        home = homes[step]
        return processes.run(die_at, step, settle_in_a_process, home.path, home.database_url, DAYS[1], 6)

    with ThreadPoolExecutor(2) as pool:
        codes = dict(zip(steps, pool.map(attempt, steps), strict=True))
    assert codes == {step: processes.KILLED if step <= last else 0 for step in steps}
    for step, home in homes.items():
        # All of it counts, or nothing does.
        assert results(home) == (before if step < last else wanted)
        settle_session(home, DAYS[1])
        assert results(home) == wanted
        assert {path.parent.name for path in home.lake.orphans()} <= {".staging"}
