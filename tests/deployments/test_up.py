"""`up` as people run it, in a process of its own: started, refused twice, hurt, stopped, killed, started again."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Self

import httpx
import psutil
import pytest

from countersign.deployments.orchestration.environment import ROOT, prefect_environment, prefect_home
from countersign.deployments.orchestration.server import (
    free_port,
    prefect_api,
    refuse_second,
    running_server,
    server_part,
)
from countersign.deployments.up import up
from countersign.models.errors import ConflictError
from tests.support.prepared_home import prepare_home
from tests.support.serving import get
from tests.support.tiny_flows import note
from tests.support.waiting import PATIENCE_SECONDS, wait_until


@pytest.fixture
def home(served_home: Path, tmp_path: Path) -> Path:
    """A home with a Prefect database, for `up` to start from."""
    return prepare_home(served_home, tmp_path / "home")


class Up:
    """`up` in a process; `lines` is its output so far."""

    def __init__(self, home: Path) -> None:
        self._output = home / "said"
        environment = {**os.environ, **prefect_environment(home)}
        environment.pop("PREFECT_API_URL", None)
        with self._output.open("wb") as output:
            command = [sys.executable, "-m", "tests.support.tiny_up", str(home)]
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=ROOT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Its parts are on a leash: they go with it."""
        self.process.kill()
        self.process.wait()

    def lines(self) -> list[str]:
        return self._output.read_text().splitlines()

    def wait_for(self, line: str) -> None:
        def said() -> bool:
            assert self.process.poll() is None, self.lines()
            return any(text.startswith(line) for text in self.lines())

        wait_until(said)

    def offspring(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.mark.slow
def test_up_starts_repairs_itself_and_stops_leaving_nothing(home: Path) -> None:
    with Up(home) as first:
        first.wait_for("flow runner: started")
        url = running_server(home)
        assert url

        second = subprocess.run(first.process.args, capture_output=True, text=True, check=False, cwd=ROOT)
        assert second.returncode == 3
        assert second.stdout.startswith(f"refused: {home} is up already: {url}")

        for child in first.offspring():
            child.kill()
        first.wait_for("Prefect server: started again")
        first.wait_for("flow runner: started again")
        assert _healthy(url)
        assert running_server(home) == url

        offspring = first.offspring()
        assert len(offspring) >= 2
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(PATIENCE_SECONDS) == 0
        assert first.lines()[-2:] == ["flow runner: stopped", "Prefect server: stopped"]
        assert sum("died" in line for line in first.lines()) == 2
    assert not any(process.is_running() for process in offspring)
    assert running_server(home) is None


@pytest.mark.slow
def test_a_killed_up_takes_all_with_it_and_the_next_one_catches_up(home: Path, tmp_path: Path) -> None:
    with Up(home) as killed:
        killed.wait_for("flow runner: started")
        offspring = killed.offspring()
        assert len(offspring) >= 2
    psutil.wait_procs(offspring, timeout=PATIENCE_SECONDS)
    assert not any(process.is_running() for process in offspring)
    assert running_server(home) is None

    notes = tmp_path / "notes"
    notes.mkdir()
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINY_NOTES", str(notes))
        before = set(psutil.Process().children(recursive=True))
        timetable = "tests.support.tiny_timetable:SLOTS"
        up(home, timetable=timetable, say=said.append, until=lambda: any(notes.iterdir()))
    assert said[-1] == "Prefect server: stopped"
    assert set(psutil.Process().children(recursive=True)) == before


@pytest.mark.slow
def test_flows_run_without_a_running_server_and_are_recorded(home: Path) -> None:
    with prefect_api(home):
        assert note() == 42
    with closing(sqlite3.connect(prefect_home(home) / "prefect.db")) as database:
        assert database.execute("SELECT state_name FROM flow_run").fetchall() == [("Completed",)]
        assert database.execute("SELECT count(*) FROM task_run WHERE state_name = 'Completed'").fetchone()[0] >= 1
        assert database.execute("SELECT count(*) FROM log").fetchone()[0] > 0


def test_a_home_with_a_live_server_and_a_taken_port_are_refused(served_home: Path, tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="already has a Prefect server"):
        refuse_second(served_home)
    taken = int((running_server(served_home) or "").rpartition(":")[2].removesuffix("/api"))
    with pytest.raises(ConflictError, match=f"port {taken} on 127.0.0.1 is taken"):
        server_part(tmp_path, port=taken)
    assert free_port() != taken


def test_the_ui_talks_to_its_own_server(served_home: Path) -> None:
    url = running_server(served_home) or ""
    assert get(f"{url.removesuffix('/api')}/ui-settings").json()["api_url"] == url


def _healthy(url: str) -> bool:
    try:
        return get(f"{url}/health").is_success
    except httpx.TransportError:
        return False
