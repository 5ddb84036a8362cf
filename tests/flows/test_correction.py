"""Correcting a session under a real Prefect server, by flow and by command: shown once, at the end, or refused."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from countersign import settings
from countersign.models.datasets import EVALUATIONS, NAV
from countersign.models.errors import InputError, LeaseError, RefusedError
from countersign.services.notifications.notifications import open_alerts
from countersign.services.publication.publish import lens_is_current
from countersign.store.home import Home
from countersign.store.ledger.leases import lease
from countersign.store.lens.reader import open_lens
from tests.support.correcting import change_bars, correct_session, told, versions
from tests.support.homes import Databases, copy_home
from tests.support.settling import evaluate_due
from tests.support.trading import put_market, trading

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
    pytest.mark.parametrize("traded", ["sqlite"], indirect=True),  # both ledgers: tests/tasks
]
DAYS = trading().sessions


def correct(home: Home, session: date) -> list[dict[str, Any]]:
    from countersign.flows.correction import correct_settlement  # noqa: PLC0415 - imported where its server is known

    return correct_settlement(session, home=home.path)


def test_a_correction_is_evaluated_disclosed_and_shown_at_its_end(
    served_home: Path, settled: Home, databases: Databases, tmp_path: Path
) -> None:
    change_bars(settled, DAYS[2])
    plain = copy_home(databases, settled, tmp_path / "plain")
    correct_session(plain, DAYS[2])
    evaluate_due(plain, DAYS[-1])
    rows = correct(settled, DAYS[2])
    assert [(row["session"], row["state"], row["version"]) for row in rows] == [
        (str(day), "corrected", 2) for day in DAYS[2:]
    ]
    assert rows[0]["detail"].startswith("bars changed; NAV of")
    assert told(settled) == told(plain)
    ours, theirs = (home.lake.files(EVALUATIONS) for home in (settled, plain))
    assert [(file.path, file.sha256) for file in ours] == [(file.path, file.sha256) for file in theirs]
    assert lens_is_current(settled)
    with open_lens(settled.path) as lens, lens.use() as db:
        found = db.execute("SELECT DISTINCT session, version FROM corrections ORDER BY ALL").fetchall()
        commits = db.execute("SELECT count(commit_sha), count(DISTINCT commit_sha) FROM settlements").fetchall()
    assert found == [(day, 1) for day in DAYS[2:]]
    assert commits == [(8, 8)]
    before = told(settled)
    [row] = correct(settled, DAYS[2])
    assert (row["session"], row["state"]) == (str(DAYS[2]), "unchanged")
    assert told(settled) == before


@pytest.mark.slow
def test_a_correction_cut_by_a_crash_is_completed_by_the_ordinary_settlement(served_home: Path, settled: Home) -> None:
    from countersign.flows.settlement import settle_all_active_strategies  # noqa: PLC0415 - imported where its server is known
    from countersign.flows.watchdog import settlement_watchdog  # noqa: PLC0415

    correct(settled, DAYS[1])  # unchanged; all there is to disclose and to show is shown
    change_bars(settled, DAYS[1])
    rows = settlement_watchdog(home=settled.path)
    assert ("changed after settlement", "warning") in [(row["problem"], row["state"]) for row in rows]
    with settled.ledger.read() as db:
        assert any(f"--session {DAYS[1]}" in matter.text for matter in open_alerts(db))
    correct_session(settled, DAYS[1], stop_after=2)
    again = settle_all_active_strategies(home=settled.path)
    assert [row["session"] for row in again] == [str(day) for day in DAYS[3:]]
    assert versions(settled) == {day: [1, 2] if day > DAYS[0] else [1] for day in DAYS}
    settlement_watchdog(home=settled.path)
    assert lens_is_current(settled)
    with settled.ledger.read() as db:
        assert open_alerts(db) == []


def test_a_refused_correction_changes_nothing(served_home: Path, settled: Home) -> None:
    with pytest.raises(InputError, match="session: expected a settled session, got 2025-03-08"):
        correct(settled, date(2025, 3, 8))
    bars = trading().market.bars.filter(pl.col("session") == DAYS[1])
    levels = trading().market.index_levels.filter(pl.col("session") == DAYS[1])
    put_market(settled, bars.with_columns(open=-pl.col("open")), levels)
    before, nav = told(settled), settled.lake.read(NAV, DAYS[1])
    with pytest.raises(RefusedError, match=f"{DAYS[1]} is not corrected, nothing was changed: .*bad price"):
        correct(settled, DAYS[1])
    with lease(settled.ledger, "settle"), pytest.raises(LeaseError):
        correct(settled, DAYS[1])
    assert told(settled) == before
    assert settled.lake.read(NAV, DAYS[1]).equals(nav)


@pytest.mark.slow  # twice, the command starts a Prefect server for the while
def test_the_command_prints_what_it_did(served_home: Path, settled: Home) -> None:
    from countersign.cli import app  # noqa: PLC0415 - imported where its server is known

    settings.load_settings.cache_clear()
    change_bars(settled, DAYS[4])
    call = ["correct", "--session", str(DAYS[4]), "--home", str(settled.path), "--json"]
    done = CliRunner().invoke(app, call, catch_exceptions=False)
    [row] = json.loads(done.output.splitlines()[-1])
    assert (done.exit_code, row["session"], row["state"], row["version"]) == (0, str(DAYS[4]), "corrected", 2)
    again = CliRunner().invoke(app, call, catch_exceptions=False)
    [row] = json.loads(again.output.splitlines()[-1])
    assert (again.exit_code, row["state"]) == (0, "unchanged")
