"""Problems that the watchdog sees in a home, one by one; looking changes nothing. Repairing: tests/flows."""

import os
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from sqlmodel import func, select

from countersign.domain.market.listings import normalise_instruments
from countersign.models.datasets import BARS, EVALUATIONS, INDEX_LEVELS, MARKS, NAV, POSITIONS
from countersign.models.enums import StrategyStatus
from countersign.models.problems import Repair, WatchdogProblem
from countersign.models.tables.attestation import JournalCommit
from countersign.models.tables.lake import LakeFile
from countersign.models.tables.operations import Notification
from countersign.services.attestation.sealing import seal_pending
from countersign.services.market.instruments import put_instruments
from countersign.services.publication.publish import publish
from countersign.services.watchdog import checks
from countersign.services.watchdog.checks import alert_operator, find_problems, sweep_orphans
from countersign.store.clock import wall_clock
from countersign.store.home import Home
from tests.support.homes import at_system_time
from tests.support.settling import evaluate_due, results, settle_session
from tests.support.strategies import move
from tests.support.trading import put_market, trading

DAYS = trading().sessions
LAST = DAYS[-1]


def seen(home: Home, session: date = LAST) -> list[tuple[str, str, Repair]]:
    found = find_problems(home, session)
    # Signals that wait for a seal have tests of their own.
    ours = (problem for problem in found if problem.repair is not Repair.SEAL)
    return [(problem.kind, problem.subject, problem.repair) for problem in ours]


def lose(home: Home, *files: LakeFile) -> None:
    for file in files:
        (home.lake_path / file.path).unlink()


@pytest.fixture
def healthy(settled: Home) -> Home:
    """A settled home, sealed and published: without a problem."""
    seal_pending(settled, settled.clock.now())
    publish(settled)
    return settled


def test_a_healthy_home_has_no_problem_and_looking_leaves_no_trace(healthy: Home) -> None:
    before = results(healthy)
    assert seen(healthy) == []
    assert results(healthy) == before


def test_waiting_sessions_and_missing_bars_are_problems(fresh: Home) -> None:
    publish(fresh)
    settle_session(fresh, DAYS[0])
    evaluate_due(fresh, DAYS[0])
    with fresh.ledger.write() as db:
        for row in db.exec(select(LakeFile).where(LakeFile.session == DAYS[2], LakeFile.dataset == "bars")):
            row.superseded_at = fresh.clock.now()
    publish(fresh)
    assert seen(fresh, DAYS[2]) == [
        ("not settled", str(DAYS[1]), Repair.SETTLE),
        ("no market data", str(DAYS[2]), Repair.INGEST),
        ("not settled", str(DAYS[2]), Repair.SETTLE),
    ]


def test_the_oldest_waiting_session_is_fetched_again_while_the_gate_holds_it(fresh: Home) -> None:
    publish(fresh)
    waiting = [("not settled", str(day), Repair.SETTLE) for day in DAYS[:2]]
    assert seen(fresh, DAYS[1]) == waiting
    for day in DAYS[:2]:
        put_market(fresh, fresh.lake.read(BARS, day).head(2), fresh.lake.read(INDEX_LEVELS, day))
    assert seen(fresh, DAYS[1]) == [("held by the gate", str(DAYS[0]), Repair.INGEST), *waiting]
    lose(fresh, *fresh.lake.files(BARS, DAYS[0], DAYS[0]))
    assert [kind for kind, _, _ in seen(fresh, DAYS[0])] == ["not settled", "damaged file"]


def test_delisted_holdings_without_a_value_are_a_warning(healthy: Home) -> None:
    held = healthy.lake.read(POSITIONS, LAST).group_by("symbol").len().sort("symbol").rows()
    (symbol, count), (other, _) = held[:2]
    say(healthy, symbol=symbol, delisted=LAST)
    say(healthy, symbol=other, delisted=LAST + timedelta(days=1))
    say(healthy, symbol="600999.SH", delisted=LAST)  # nobody holds it
    [problem] = [each for each in find_problems(healthy, LAST) if each.kind == "delisted without a value"]
    assert problem.warning
    assert problem.text == (
        f"delisted holdings without a value: {symbol} ({count} strategies); "
        "enter one with `countersign market import-instruments`"
    )
    say(healthy, symbol=symbol, delisting_value=f"0.5*{other}")
    assert seen(healthy) == []


def say(home: Home, **values: Any) -> None:
    with home.ledger.write() as db:
        put_instruments(db, normalise_instruments(pl.DataFrame([values])))


def test_lost_or_cut_files_of_results_are_damaged(healthy: Home) -> None:
    [nav], [marks] = healthy.lake.files(NAV, DAYS[1], DAYS[1]), healthy.lake.files(MARKS, DAYS[3], DAYS[3])
    lose(healthy, nav)
    path = healthy.lake_path / marks.path
    path.write_bytes(path.read_bytes()[:-1])
    assert seen(healthy) == [
        ("damaged file", nav.path, Repair.SETTLE),
        ("damaged file", marks.path, Repair.SETTLE),
    ]


def test_a_settled_session_is_evaluated_by_a_quarter_to_seven(healthy: Home) -> None:
    [file] = healthy.lake.files(EVALUATIONS, LAST, LAST)
    with healthy.ledger.write() as db:
        db.merge(file).superseded_at = healthy.clock.now()
    publish(healthy)
    healthy.clock.set(datetime(LAST.year, LAST.month, LAST.day, 10, 45, tzinfo=UTC))
    assert seen(healthy) == []
    healthy.clock.set(datetime(LAST.year, LAST.month, LAST.day, 10, 45, 1, tzinfo=UTC))
    assert seen(healthy) == [("not evaluated", str(LAST), Repair.EVALUATE)]


def test_a_lost_evaluation_is_damaged(healthy: Home) -> None:
    [file] = healthy.lake.files(EVALUATIONS, DAYS[2], DAYS[2])
    lose(healthy, file)
    assert seen(healthy) == [("damaged file", file.path, Repair.EVALUATE)]


@pytest.mark.parametrize("dataset", [BARS, INDEX_LEVELS])
def test_files_of_the_market_that_are_lost_or_cut_are_nobodys_to_repair(healthy: Home, dataset: object) -> None:
    lost, cut = healthy.lake.files(dataset, DAYS[1], DAYS[2])  # type: ignore[arg-type]
    lose(healthy, lost)
    path = healthy.lake_path / cut.path
    path.write_bytes(path.read_bytes()[:-1])
    assert seen(healthy) == [("damaged file", file.path, Repair.NONE) for file in (lost, cut)]


def test_a_missing_nav_is_a_problem(healthy: Home) -> None:
    with healthy.ledger.write() as db:
        row = db.exec(select(LakeFile).where(LakeFile.dataset == "nav", LakeFile.session == DAYS[1])).one()
        row.rows -= 1
    publish(healthy)
    assert seen(healthy) == [("missing NAV", str(DAYS[1]), Repair.SETTLE)]


def test_one_nav_too_few_and_one_too_many_is_not_all_of_them(healthy: Home) -> None:
    renamed = healthy.lake.read(NAV, LAST).with_columns(pl.col("strategy").replace("s00", "s99"))
    with healthy.ledger.write() as db:
        healthy.lake.commit(db, [healthy.lake.stage(NAV, LAST, renamed)], healthy.clock.now())
    publish(healthy)
    [problem] = find_problems(healthy, LAST)
    assert (problem.kind, problem.session, problem.repair) == ("missing NAV", LAST, Repair.SETTLE)
    assert problem.text.endswith("; missing 1, such as s00; not expected 1, such as s99")
    [file] = healthy.lake.files(NAV, LAST, LAST)
    (healthy.lake_path / file.path).write_bytes(b"x" * file.size_bytes)
    assert ("damaged file", file.path, Repair.SETTLE) in seen(healthy)


def test_a_strategy_that_pauses_or_retires_later_is_not_missed(healthy: Home) -> None:
    late = datetime(2025, 3, 10, tzinfo=UTC)
    move(healthy, "s00", StrategyStatus.PAUSED, late)
    move(healthy, "s01", StrategyStatus.RETIRED, late)
    assert [problem for problem in seen(healthy) if problem[0] != "stale lens"] == []


def test_a_lens_that_is_behind_is_stale_until_published(settled: Home) -> None:
    assert seen(settled) == [("stale lens", "lens", Repair.PUBLISH)]
    publish(settled)
    assert seen(settled) == []


def test_old_files_that_no_row_names_are_swept_and_young_ones_left(healthy: Home) -> None:
    before = results(healthy)
    old, young = healthy.lake_path / "nav" / "old.parquet", healthy.lake_path / ".staging" / "young.tmp"
    for path in (old, young):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    hours = (wall_clock() - timedelta(hours=7)).timestamp()
    os.utime(old, (hours, hours))
    assert seen(healthy) == [("orphan files", "lake", Repair.SWEEP)]
    assert sweep_orphans(healthy) == 1
    assert (old.exists(), young.exists()) == (False, True)
    assert seen(healthy) == []
    assert results(healthy) == before


def test_the_calendars_end_is_a_warning(healthy: Home) -> None:
    healthy.clock.set(datetime(2026, 11, 15, 12, tzinfo=UTC))
    assert find_problems(healthy, LAST) == []
    healthy.clock.set(datetime(2026, 11, 16, 12, tzinfo=UTC))
    [problem] = find_problems(healthy, LAST)
    assert (problem.kind, problem.subject, problem.warning) == ("calendar horizon", "2026-12-31", True)


def test_a_disk_that_is_nearly_full_is_a_problem(healthy: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LEAST_FREE_BYTES", 2**62)
    assert seen(healthy) == [("disk nearly full", str(healthy.path), Repair.NONE)]


def test_the_operator_is_notified_once_and_the_matter_closed_when_it_is_gone(home: Home) -> None:
    first = WatchdogProblem("stale lens", "lens", "behind", Repair.PUBLISH)
    second = WatchdogProblem("disk nearly full", "/", "1 GB left")

    def open_texts() -> list[str]:
        with home.ledger.read() as db:
            rows = db.exec(select(Notification).order_by("id")).all()
        assert len({row.key for row in rows}) == len(rows)
        return [row.text for row in rows if row.resolved_at is None]

    alert_operator(home, [first, second])
    alert_operator(home, [first, second])
    assert open_texts() == ["behind", "1 GB left"]
    alert_operator(home, [first])
    assert open_texts() == ["behind"]
    alert_operator(home, [second])
    assert open_texts() == ["1 GB left"]
    alert_operator(home, [])
    assert open_texts() == []


def test_a_system_clock_that_stepped_back_more_than_five_seconds_is_a_problem(healthy: Home) -> None:
    assert "clock stepped back" not in {kind for kind, _, _ in seen(healthy)}
    with healthy.ledger.read() as db:
        newest = db.exec(select(func.max(JournalCommit.committed_at))).one()
    # A simulated clock may go where it likes; the same times under the system's clock are a problem.
    healthy.clock.set(newest - timedelta(seconds=6))
    assert "clock stepped back" not in {kind for kind, _, _ in seen(healthy)}
    for seconds, told in ((5, False), (6, True)):
        now = newest - timedelta(seconds=seconds)
        found = [
            problem
            for problem in find_problems(at_system_time(healthy, now), LAST)
            if problem.kind == "clock stepped back"
        ]
        assert [(problem.repair, problem.warning) for problem in found] == [(Repair.NONE, False)] * told
