"""The soak itself, and that its judge sees every loss."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from countersign.deployments.orchestration.environment import ROOT
from countersign.models.datasets import NAV
from countersign.services.attestation.pushing import push_pending
from countersign.store.home import Home
from tests.soak.judging import Evidence, judge
from tests.soak.plan import Plan, write_market
from tests.soak.remote import Remote
from tests.soak.undisturbed import begin, live, run_undisturbed
from tests.support.market_homes import new_home

DAYS = 2
# A longer or a shorter one: SOAK_SECONDS=3600 make test-slow ARGS="-k soak".
SECONDS = os.environ.get("SOAK_SECONDS", "600")


@pytest.mark.slow
def test_a_soak_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.soak", "--seconds", SECONDS, "--folder", str(tmp_path / "soak")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    print(done.stdout)  # noqa: T201 - `pytest -rP` shows what was killed
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-8000:]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Evidence]:
    """A home that lived two days of a plan and lost nothing, and the evidence to judge it by."""
    folder = tmp_path_factory.mktemp("soak")
    plan, remote = Plan(5), Remote(folder / "remote.git")
    write_market(plan, folder / "market", DAYS)
    remote.create()
    home = new_home(folder / "home", "simulated")
    begin(home, plan, folder / "market")
    for n in range(DAYS):
        live(home, plan.day(n), folder / "market", "ann")
    home = replace(home, journal_remote=str(remote.path))
    push_pending(home, home.clock.now())
    other = run_undisturbed(folder / "undisturbed", home, plan, DAYS, folder / "market")
    return home, Evidence(other, {}, set(), set(), folder / "market" / "bars.parquet", deaths=0)


def altered_nav(home: Home) -> None:
    path = home.lake_path / home.lake.files(NAV)[0].path
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def left_over_lock(home: Home) -> None:
    (home.path / "journal" / "HEAD.lock").touch()


def orphan(home: Home) -> None:
    (home.lake_path / NAV.name / "orphan.parquet").touch()


def run_statement(home: Home, statement: str) -> None:
    with closing(sqlite3.connect(home.path / "ledger.db")) as db:
        db.execute(statement)
        db.commit()


def unpushed(home: Home) -> None:
    shutil.rmtree(str(home.journal_remote))
    Remote(Path(str(home.journal_remote))).create()


DAMAGES: dict[str, Callable[[Home], None]] = {
    "lake: nav": altered_nav,
    "left over: ['journal/HEAD.lock']": left_over_lock,
    "lake: 1 orphans": orphan,
    "ledger: signal": lambda home: run_statement(home, "UPDATE signal SET portfolio = '600000.SH=1' WHERE id = 1"),
    "ledger: 1 claims": lambda home: run_statement(home, "UPDATE seal SET commit_sha = NULL WHERE signal_id = 1"),
    "journal: the remote": unpushed,
}


@pytest.mark.slow
@pytest.mark.parametrize("words", DAMAGES)
def test_each_damage_is_named(lived: tuple[Home, Evidence], words: str, tmp_path: Path) -> None:
    whole, evidence = lived
    shutil.copytree(whole.path, tmp_path / "home", symlinks=True)
    shutil.copytree(str(whole.journal_remote), tmp_path / "remote.git")
    url, remote = f"sqlite:///{tmp_path / 'home' / 'ledger.db'}", str(tmp_path / "remote.git")
    home = Home(tmp_path / "home", url, tmp_path / "home" / "lake", "simulated", remote)
    DAMAGES[words](home)
    assert any(fault.startswith(words) for fault in judge(home, evidence))


@pytest.mark.slow
def test_a_home_that_lost_nothing_is_not_accused_and_a_lost_promise_is(lived: tuple[Home, Evidence]) -> None:
    home, evidence = lived
    assert judge(home, evidence) == []
    told = {"signal_hash": "f" * 64, "attestation": {"committed": False}}
    broken = replace(evidence, accepted={("soak-00", date(2024, 1, 8), 1): told})
    [fault] = judge(home, broken)
    assert fault.startswith("promise: attestations/2024/2024-01-08/")
