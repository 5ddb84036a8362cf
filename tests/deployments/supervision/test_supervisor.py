"""The supervisor with parts that do nothing: readiness, death, order. `timeit` waits as long as asked."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from countersign.deployments.orchestration.environment import ROOT
from countersign.deployments.supervision.child import Child
from countersign.deployments.supervision.parts import Part
from countersign.deployments.supervision.supervisor import Supervisor, stop_on_signals
from countersign.models.errors import CountersignError
from tests.support.waiting import PATIENCE_SECONDS, wait_until

LONG = ("timeit", "-n", "1", "-r", "1", "__import__('threading').Event().wait()")
SHORT = ("timeit", "-n", "1", "-r", "1", "0")


def part(tmp_path: Path, name: str, arguments: tuple[str, ...] = LONG, **more: object) -> Part:
    return Part(name, arguments, {"PYTHONPATH": str(ROOT)}, tmp_path / f"{name}.log", **more)  # type: ignore[arg-type]


def test_parts_start_in_order_and_stop_in_reverse(tmp_path: Path) -> None:
    said: list[str] = []
    Supervisor([part(tmp_path, "a", url="http://a"), part(tmp_path, "b")], said.append).run(until=lambda: True)
    assert said == ["a: http://a", "b: started", "b: stopped", "a: stopped"]


def test_a_part_that_dies_is_started_again_later_each_time(tmp_path: Path) -> None:
    said: list[str] = []
    started: list[Child] = []

    def deaths() -> list[str]:
        return [line.partition(";")[0] for line in said if "died" in line]

    supervisor = Supervisor([part(tmp_path, "a", SHORT, started=started.append)], said.append)
    supervisor.run(until=lambda: len(deaths()) == 2)
    assert len(started) == 2
    assert deaths() == [f"a: died (exit code 0), starts again in {seconds} s" for seconds in (1, 2)]


def test_a_part_that_never_gets_ready_stops_all(tmp_path: Path) -> None:
    said: list[str] = []
    first = part(tmp_path, "first")
    with pytest.raises(CountersignError, match=r"slow was not ready within 0\.2 s"):
        Supervisor([first, part(tmp_path, "slow", ready=lambda: False, ready_seconds=0.2)], said.append).run()
    with pytest.raises(CountersignError, match="short ended at once"):
        Supervisor([first, part(tmp_path, "short", SHORT, ready=lambda: False)], said.append).run()
    assert said[-1] == "first: stopped"


def test_a_signal_stops_it_while_it_waits(tmp_path: Path) -> None:
    said: list[str] = []

    def not_ready() -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        return False

    never = part(tmp_path, "never", ready=not_ready)
    supervisor = Supervisor([never], said.append)
    with stop_on_signals(supervisor):
        supervisor.run()
    assert said == ["never: stopped"]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_stubborn_part_is_killed_with_its_children(tmp_path: Path) -> None:
    code = "import os, signal, threading; signal.signal(2, signal.SIG_IGN); os.fork(); threading.Event().wait()"
    child = part(tmp_path, "stubborn", ("timeit", "-n", "1", "-r", "1", code)).start()
    family = wait_until(lambda: psutil.Process(child.identity.pid).children(), child=child)
    child.stop(0.05)
    assert child.exit_code == -signal.SIGKILL
    psutil.wait_procs(family, timeout=PATIENCE_SECONDS)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, threading; from pathlib import Path; from countersign.deployments.supervision.child import Child;"
        f"child = Child({list(LONG)!r}, {{}}, Path({str(tmp_path / 'log')!r}));"
        "print(child.identity.pid, flush=True); threading.Event().wait()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    assert psutil.wait_procs([child], timeout=PATIENCE_SECONDS)[1] == []
