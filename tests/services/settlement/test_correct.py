"""Correcting a settled session: new results, old versions, notifications; cut short anywhere, it ends the same."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import orjson
import polars as pl
import pytest
from sqlmodel import select

from countersign.models.datasets import BARS, INDEX_LEVELS, NAV
from countersign.models.errors import ConflictError, InputError
from countersign.models.tables.market import CorporateAction
from countersign.models.tables.settlement import Settlement
from countersign.services.attestation.sealing import is_pending, seal_pending
from countersign.services.market.imports import import_bars
from countersign.services.publication.publish import lens_is_current, publish, rebuild
from countersign.services.settlement import planning
from countersign.services.settlement import settle as tasks
from countersign.services.settlement.correct import describe_corrections, find_changes
from countersign.services.settlement.corrections import changed_sessions
from countersign.services.watchdog import checks
from countersign.store.home import Home
from countersign.store.lens.reader import open_lens
from tests.support import processes
from tests.support.correcting import (
    change_bars,
    change_levels,
    correct_in_a_process,
    correct_session,
    told,
    values,
    versions,
)
from tests.support.crashing import die_at
from tests.support.homes import Databases, copy_home, disposed
from tests.support.settling import evaluate_due, settle_due, settle_session
from tests.support.trading import put_market, trading

DAYS = trading().sessions
LAST = DAYS[-1]
# Tests that use the ledger no further than the others do.
SQLITE = pytest.mark.parametrize("traded", ["sqlite"], indirect=True)


@pytest.fixture
def other(traded: Home, databases: Databases, tmp_path: Path) -> Iterator[Home]:
    """A home in which nothing is settled, beside `settled`."""
    home = copy_home(databases, traded, tmp_path / "other")
    with disposed(home.database_url):
        yield home


def changed(home: Home) -> dict[date, tuple[str, ...]]:
    return changed_sessions(home.lake, home.sessions, LAST)


def test_a_correction_is_as_if_the_market_had_always_been_so(settled: Home, other: Home) -> None:
    for home in (settled, other):
        change_bars(home, DAYS[1])
        change_levels(home, DAYS[1])
    settle_due(other, LAST)
    evaluate_due(other, LAST)
    # The next session's benchmark starts from the levels of a session.
    assert changed(settled) == {DAYS[1]: ("bars", "index levels"), DAYS[2]: ("index levels",)}
    assert correct_session(settled, DAYS[1]) == ("bars", "index levels")
    assert evaluate_due(settled, LAST) == 4
    wanted = values(other)
    for key, frame in values(settled).items():
        assert frame.equals(wanted[key]), key
    assert versions(settled) == {day: [1] if day == DAYS[0] else [1, 2] for day in DAYS}
    assert changed(settled) == {}
    assert settled.lake.orphans() == []


@SQLITE
def test_a_repeated_correction_changes_nothing(settled: Home) -> None:
    first = settled.lake.read(NAV, LAST)
    assert correct_session(settled, DAYS[2]) == ()
    change_bars(settled, DAYS[2])
    correct_session(settled, DAYS[2])
    before = told(settled)
    assert correct_session(settled, DAYS[2]) == ()
    assert [settle_session(settled, day) for day in DAYS] == [False] * len(DAYS)
    assert told(settled) == before
    # And back: a third version, with the figures of the first.
    change_bars(settled, DAYS[2], factor=1.0)
    assert correct_session(settled, DAYS[2]) == ("bars",)
    assert versions(settled)[LAST] == [1, 2, 3]
    assert settled.lake.read(NAV, LAST).equals(first)


@SQLITE
def test_the_old_versions_stay_whole(settled: Home) -> None:
    with settled.ledger.read() as db:
        manifests = [orjson.loads(row.manifest) for row in db.exec(select(Settlement)).all()]
    change_bars(settled, DAYS[0])
    correct_session(settled, DAYS[0])
    for manifest in manifests:
        paths = {file["path"]: file["sha256"] for file in manifest["files"]}
        kept = settled.lake.named(paths)
        assert {file.path: file.sha256 for file in kept} == paths
        assert settled.lake.verify(kept) == []
        assert all(file.superseded_at for file in kept)


def test_a_correction_is_in_the_audit_log_and_notifies_the_owners(settled: Home) -> None:
    before = {day: settled.lake.read(NAV, day) for day in DAYS}
    change_bars(settled, DAYS[3])
    correct_session(settled, DAYS[3])
    left, after = told(settled), {day: settled.lake.read(NAV, day) for day in DAYS}
    assert [subject for subject, _ in left["audit"]] == [f"{DAYS[3]}.2", f"{LAST}.2"]
    expected = {}
    for day, (_, detail) in zip(DAYS[3:], left["audit"], strict=True):
        rows = zip(before[day].select("strategy", "nav").rows(), after[day]["nav"], strict=True)
        changes = {slug: (was, now) for (slug, was), now in rows if now != was}
        largest = max(changes, key=lambda slug: abs(changes[slug][1] - changes[slug][0]))
        assert f"NAV of {len(changes)} of {before[day].height} strategies changed, most that of {largest}: " in detail
        for slug, (was, now) in changes.items():
            text = f"{slug}: the NAV of {day} is {now} CNY and was {was}, as {DAYS[3]} was corrected (version 2)"
            expected.setdefault(slug, text)
    assert left["audit"][0][1].startswith("bars changed; NAV of")
    assert left["audit"][1][1].startswith(f"rests on {DAYS[3]}.2; NAV of")
    assert [text for _, _, text in left["owners"]] == [expected[slug] for slug in sorted(expected)]
    assert all(user for _, user, _ in left["owners"])
    rows = describe_corrections(settled, [DAYS[3], LAST])
    assert [(row["session"], row["version"]) for row in rows] == [(str(DAYS[3]), 2), (str(LAST), 2)]


@SQLITE
def test_late_actions_correct_a_session_as_if_they_had_been_there(settled: Home, other: Home) -> None:
    held = settled.lake.read(NAV, DAYS[0])
    assert held.height
    symbol = trading().market.bars["symbol"][0]
    for home in (settled, other):
        with home.ledger.write() as db:
            db.add(CorporateAction(symbol=symbol, session=DAYS[2], cash=1.0, bonus=0.5))
    settle_due(other, LAST)
    evaluate_due(other, LAST)
    assert correct_session(settled, DAYS[2]) == ("corporate actions",)
    evaluate_due(settled, LAST)
    wanted = values(other)
    assert all(frame.equals(wanted[key]) for key, frame in values(settled).items())


@SQLITE
def test_bars_that_are_imported_are_noticed(settled: Home, tmp_path: Path) -> None:
    bars = trading().market.bars.filter(pl.col("session") == DAYS[4])
    path = tmp_path / "bars.parquet"
    bars.write_parquet(path)
    import_bars(settled, path, settled.clock.now())
    assert changed(settled) == {}
    bars.with_columns(pl.col("close", "high") + 0.5).write_parquet(path)
    import_bars(settled, path, settled.clock.now())
    [problem] = [each for each in checks.find_problems(settled, LAST) if each.kind == "changed after settlement"]
    command = f"`countersign correct --session {DAYS[4]}`"
    assert problem.text == f"{DAYS[4]}: bars changed after it was settled; {command} corrects it"
    assert (problem.repair, problem.warning) == ("none", True)
    # History from before the first settled session: more of it is no change, other history is.
    old = trading().market.bars["session"].min()
    assert isinstance(old, date)
    change_bars(settled, old)
    assert changed(settled) == {DAYS[0]: ("bars of earlier sessions",), DAYS[4]: ("bars",)}


@SQLITE
def test_a_session_that_cannot_be_corrected_is_refused_and_stays(
    settled: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in (date(2025, 2, 28), date(2025, 3, 8), date(2025, 3, 10)):
        with pytest.raises(InputError, match=f"session: expected a settled session, got {day}"):
            find_changes(settled, day)
    bars = trading().market.bars.filter(pl.col("session") == DAYS[1])
    levels = trading().market.index_levels.filter(pl.col("session") == DAYS[1])
    before = told(settled)
    put_market(settled, bars.with_columns(open=-pl.col("open")), levels)
    held = tasks.plan_session(settled, DAYS[1], correct=True)
    assert isinstance(held, tasks.OnHold)
    assert "bad price" in "; ".join(held.reasons)
    assert told(settled) == before
    # Another rule book is part of a correction, and of results that rest on it; of nothing else.
    put_market(settled, bars.with_columns(pl.col("volume") * 2), levels)
    monkeypatch.setattr(planning, "rules_sha256", lambda _: "of other rules")
    with pytest.raises(ConflictError, match="rules"):
        settle_session(settled, DAYS[1])
    correct_session(settled, DAYS[1])
    assert "bars changed, rule book changed; NAV of 0 of" in told(settled)["audit"][0][1]
    assert versions(settled)[LAST] == [1, 2]


def shown(home: Home) -> list[tuple[object, ...]]:
    with open_lens(home.path) as lens, lens.use() as db:
        return db.execute("SELECT strategy, session, nav FROM nav ORDER BY ALL").fetchall()


def test_half_a_correction_is_shown_to_nobody_and_completed_by_the_next_settlement(
    settled: Home, databases: Databases, tmp_path: Path
) -> None:
    seal_pending(settled, settled.clock.now())
    publish(settled)
    change_bars(settled, DAYS[1])
    whole = copy_home(databases, settled, tmp_path / "whole")
    correct_session(whole, DAYS[1])
    before = shown(settled)
    correct_session(settled, DAYS[1], stop_after=2)
    assert versions(settled)[DAYS[2]] == [1, 2]
    assert versions(settled)[DAYS[3]] == [1]
    assert tasks.find_due_sessions(settled, LAST) == list(DAYS[3:])
    assert not publish(settled).new
    assert not rebuild(settled).new
    assert shown(settled) == before
    assert not lens_is_current(settled)
    assert not is_pending(settled)
    assert seal_pending(settled, settled.clock.now()).disclosed == 0
    kinds = {(problem.kind, problem.session) for problem in checks.find_problems(settled, LAST)}
    assert {("not settled", DAYS[3]), ("not settled", LAST)} <= kinds
    assert settle_due(settled, LAST) == 2
    assert told(settled) == told(whole)
    assert publish(settled).new
    publish(whole)
    assert shown(settled) == shown(whole) != before
    assert seal_pending(settled, settled.clock.now()).disclosed == 4


@SQLITE
def test_a_correction_cut_short_is_completed_by_correcting_another_session(settled: Home, other: Home) -> None:
    change_bars(settled, DAYS[0])
    correct_session(settled, DAYS[0], stop_after=2)
    change_bars(settled, DAYS[3])
    assert correct_session(settled, DAYS[3]) == ("bars",)
    assert versions(settled) == {day: [1, 2] if day < DAYS[3] else [1, 2, 3] for day in DAYS}
    for day in (DAYS[0], DAYS[3]):
        change_bars(other, day)
    settle_due(other, LAST)
    assert settled.lake.read(NAV, LAST).equals(other.lake.read(NAV, LAST))


@SQLITE
def test_a_lost_file_of_a_corrected_session_comes_back(settled: Home) -> None:
    change_bars(settled, DAYS[1])
    correct_session(settled, DAYS[1])
    before = told(settled)
    for day in (DAYS[1], DAYS[3]):
        [file] = settled.lake.files(NAV, day, day)
        (settled.lake_path / file.path).unlink()
        assert settle_session(settled, day) is False
    assert settled.lake.verify(settled.lake.files(NAV)) == []
    assert told(settled) == before


@pytest.mark.slow
def test_killed_at_any_step_correcting_again_ends_as_an_undisturbed_correction(
    settled: Home, databases: Databases, tmp_path: Path
) -> None:
    change_bars(settled, DAYS[3])
    homes = {0: copy_home(databases, settled, tmp_path / "whole")}
    correct_in_a_process(homes[0].path, homes[0].database_url, DAYS[3], 2_000)
    wanted = told(homes[0])
    # A flush, a rename and a flush of the folder for each file, in two sessions; before each commit, and after it.
    last = 2 * (3 * 5 + 2)
    steps = range(1, last + 2) if settled.database_url.startswith("sqlite") else (1, 16, 17, 18, last - 1, last)
    for step in steps:
        homes[step] = copy_home(databases, settled, tmp_path / f"killed-{step}")

    def attempt(step: int) -> int | None:
        home = homes[step]
        return processes.run(die_at, step, correct_in_a_process, home.path, home.database_url, DAYS[3], 2_000)

    with ThreadPoolExecutor(2) as pool:
        codes = dict(zip(steps, pool.map(attempt, steps), strict=True))
    assert codes == {step: processes.KILLED if step <= last else 0 for step in steps}
    for step in steps:
        correct_session(homes[step], DAYS[3])
        assert told(homes[step]) == wanted, step


@SQLITE
def test_changes_are_looked_for_in_the_newest_version_alone(settled: Home) -> None:
    change_bars(settled, DAYS[1])
    change_levels(settled, LAST)
    correct_session(settled, DAYS[1])
    assert changed(settled) == {LAST: ("index levels",)}
    assert [file.session for file in settled.lake.files(BARS, DAYS[1], DAYS[1])] == [DAYS[1]]
    assert len(settled.lake.files(INDEX_LEVELS, LAST, LAST)) == 1
