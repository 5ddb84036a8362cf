"""The morning after days down, by a shifted clock: `up` at 08:58:00, with everything, makes and seals today's signals.

libfaketime would do it, but its waits return at once or never where the monotonic clock is to be left alone: its own
library of forty lines is compiled, where there is a compiler.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from countersign.deployments.orchestration.environment import ROOT, prefect_home
from countersign.deployments.orchestration.server import free_port
from countersign.domain.sessions import EXCHANGE_ZONE
from countersign.store.home import Home
from tests.support.homes import put_ledger
from tests.support.portfolios import prepare
from tests.support.waiting import PATIENCE_SECONDS, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler"),
]

# The market's last sessions are 2024-12-25, 26, 27, 30 and 31; 2024-12-28 is a Saturday.
BEFORE = datetime(2024, 12, 25, 18, 50, tzinfo=EXCHANGE_ZONE)
START = datetime(2024, 12, 30, 8, 58, tzinfo=EXCHANGE_ZONE)
SEALED = "SELECT count(*) FROM seal WHERE commit_sha IS NOT NULL"
OVERDUE = "SELECT count(*) FROM flow_run WHERE expected_start_time BETWEEN '2024-12-25 11' AND '2024-12-30 00' AND "
WAITING, BEGUN, SKIPPED = "state_type = 'SCHEDULED'", "run_count > 0", "state_name = 'Skipped'"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a portfolio, made under a simulated clock, which then takes the system's."""
    path = tmp_path / "home"
    made = Home(path, put_ledger(path / "ledger.db"), path / "lake", "simulated")
    made.create()
    prepare(made)
    made.ledger.engine.dispose()
    with closing(sqlite3.connect(path / "ledger.db", isolation_level=None)) as ledger:
        ledger.execute("UPDATE home_fact SET value = 'system' WHERE key = 'clock'")
    (path / "clock").unlink()
    return Home(path, made.database_url, made.lake_path)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that shifts the clock of a process, compiled."""
    path = tmp_path_factory.mktemp("clock") / "shifted_clock.so"
    source = ROOT / "tests" / "support" / "shifted_clock.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(path), str(source)], check=True)
    return path


@contextmanager
def up(home: Home, library: Path, at: datetime) -> Iterator[subprocess.Popen[bytes]]:
    shift = int((at - datetime.now(UTC)) / timedelta(seconds=1))
    environment = {**os.environ, "LD_PRELOAD": str(library), "CLOCK_SHIFT_SECONDS": str(shift)}
    environment.pop("PREFECT_API_URL", None)
    ports = ["--port", str(free_port()), "--prefect-port", str(free_port())]
    command = [sys.executable, "-m", "countersign.cli", "up", "--home", str(home.path), *ports]
    with (home.path / "said").open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=ROOT)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def count(database: Path, query: str) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        return int(db.execute(query).fetchone()[0])


def test_signals_are_sealed_in_time_and_nothing_of_the_days_before_runs(home: Home, library: Path) -> None:
    prefect = prefect_home(home.path) / "prefect.db"
    ledger = home.path / "ledger.db"
    planned = "SELECT count(*) FROM flow_run WHERE state_type = 'SCHEDULED'"
    with up(home, library, BEFORE) as process:
        wait_until(lambda: process.poll() is None and prefect.exists() and _or_none(prefect, planned) >= 30)
    with up(home, library, START):
        wait_until(lambda: count(ledger, SEALED))
        with closing(sqlite3.connect(ledger)) as db:
            sealed_at = db.execute("SELECT max(committed_at) FROM journal_commit").fetchone()[0]
        # By 08:58:14 on two quiet cores, by 08:58:47 under a load of 6. A busy machine is asked for the deadline alone.
        assert "2024-12-30 00:58" <= sealed_at < "2024-12-30 01:15"
        wait_until(lambda: not count(prefect, OVERDUE + WAITING))
    assert count(prefect, OVERDUE + BEGUN) == 0
    assert count(prefect, OVERDUE + SKIPPED) >= 24


def _or_none(database: Path, query: str) -> int:
    try:
        return count(database, query)
    except sqlite3.OperationalError:
        return 0  # its tables are being made
