"""countersign status: quiet when all is well, exit 1 and words when something is late; the gauges of /metrics agree."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlmodel import col, func, select
from typer.testing import CliRunner

from countersign import settings
from countersign.api.metrics import RequestMetrics
from countersign.cli import app
from countersign.domain.sessions import deadline
from countersign.models.tables.operations import StageRun
from countersign.models.tables.settlement import Settlement
from countersign.services.attestation.pushing import push_pending
from countersign.services.attestation.sealing import seal_pending
from countersign.services.operations.platform_status import overdue_through, read_platform_status
from countersign.services.publication.publish import publish
from countersign.store.home import Home
from tests.support.journals import git
from tests.support.strategies import send
from tests.support.trading import trading

DAYS = trading().sessions
LAST = DAYS[-1]


def status(home: Home, code: int) -> dict[str, Any]:
    settings.load_settings.cache_clear()
    done = CliRunner().invoke(app, ["status", "--home", str(home.path), "--json"])
    assert done.exit_code == code, done.output
    plain = CliRunner().invoke(app, ["status", "--home", str(home.path)])
    assert plain.exit_code == code
    found: dict[str, Any] = json.loads(done.output)
    return found | {"plain": plain.output}


def late(found: dict[str, Any]) -> set[str]:
    return {stage["stage"] for stage in found["stages"] if stage["late"]}


def test_a_day_from_well_to_late(settled: Home) -> None:
    home = settled
    home.clock.set(deadline(LAST, "close") + timedelta(hours=4))
    seal_pending(home, home.clock.now())
    publish(home)
    found = status(home, 0)
    assert (found["ok"], found["unsealed"], found["settled_through"], found["waiting"]) == (True, 0, str(LAST), [])
    assert late(found) == set()
    assert {stage["stage"]: stage["session"] for stage in found["stages"]}["settle"] == str(LAST)
    took = f"newest settlement took {found['settle_seconds']:.2f} s"
    assert f"settled through {LAST}; waiting: none; {took}" in found["plain"].splitlines()
    assert "lag" not in found["plain"]
    assert found["attestation"]["journal_agrees"]
    assert found["attestation"]["remote_agrees"] is None
    assert "; journal and ledger agree" in found["plain"]

    following = home.sessions.next(LAST)
    home.clock.set(deadline(following, "close") + timedelta(minutes=60))  # closed, and not yet due
    found = status(home, 0)
    assert (found["waiting"], late(found)) == ([str(following)], set())
    home.clock.set(deadline(following, "close") + timedelta(hours=3, minutes=25))
    found = status(home, 0)
    assert f"{'settle':26} {following} due, lag 0:10:00" in found["plain"].splitlines()
    home.clock.set(deadline(following, "close") + timedelta(hours=3, minutes=41))
    found = status(home, 1)
    assert late(found) == {"settle"}  # its bars are there
    assert any(problem["kind"] == "not settled" for problem in found["problems"])
    assert f"{'settle':26} {following} late, lag 0:26:00" in found["plain"].splitlines()
    [lag] = [stage["lag_seconds"] for stage in found["stages"] if stage["stage"] == "settle"]
    assert lag == 26 * 60


def test_a_signal_received_and_not_sealed_is_late(fresh: Home) -> None:
    found = read_platform_status(fresh, deadline(LAST, "open") + timedelta(minutes=1))
    assert found.unsealed > 0
    assert {stage.stage for stage in found.stages if stage.late} >= {"attestation-retry"}


def test_the_newest_run_of_each_stage_is_shown(settled: Home) -> None:
    with settled.ledger.write() as db:
        db.add(StageRun(stage="watchdog", finished_at=settled.clock.now(), failed=True))
        newest = db.exec(select(func.max(col(Settlement.id)))).one()
        seconds = db.get_one(Settlement, newest).seconds
    found = read_platform_status(settled, settled.clock.now())
    [watchdog] = [stage for stage in found.stages if stage.stage == "watchdog"]
    assert (watchdog.last_run, watchdog.failed) == (settled.clock.now(), True)
    assert found.settle_seconds == seconds is not None
    assert 0 < (seconds or 0) < 60
    assert overdue_through(settled.sessions, deadline(LAST, "close")) == DAYS[-2]


def gauges(home: Home) -> dict[str, float]:
    shown = (line.rpartition(" ") for line in RequestMetrics(home).render().decode().splitlines() if line[0] != "#")
    return {name.removeprefix("countersign_"): float(value) for name, _, value in shown}


def test_the_gauges_show_what_waits_and_how_late_it_is(settled: Home) -> None:
    home, following = replace(settled, journal_remote="nowhere"), settled.sessions.next(LAST)
    seal_pending(home, deadline(LAST, "close"))
    send(home, following, {"s04": {"600001.SH": 0.5}})
    home.clock.set(deadline(following, "close") + timedelta(hours=3, minutes=41))
    found = gauges(home)
    assert found["unsealed_signals"] == found["waiting_sessions"] == 1
    assert found['stage_lag_seconds{stage="settle"}'] == 26 * 60
    standing = read_platform_status(home, home.clock.now())
    assert found["unpushed_commits"] == standing.unpushed > 0
    assert found["settle_seconds"] == standing.settle_seconds
    assert (found["sealer_alive"], found["journal_agrees"], found["remote_agrees"], found["set_aside"]) == (0, 1, 1, 0)
    push_pending(home, home.clock.now())
    git(home.path / "journal", "update-ref", "-d", "refs/heads/main")
    again = gauges(home)
    assert (again["journal_agrees"], again["remote_agrees"]) == (0, 0)
    assert found["settle_seconds"] > 0
