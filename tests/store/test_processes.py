"""Identity of a process: the same for as long as it lives, also when the system clock is set."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from countersign.store.processes import ProcessIdentity
from tests.support import processes
from tests.support.waiting import PATIENCE_SECONDS


@pytest.fixture
def stepped_clock(tmp_path: Path) -> Iterator[None]:
    """The kernel's files after the clock was set forward by an hour: another time at which the machine started."""
    if not Path("/proc/stat").exists():
        pytest.skip("this system has no /proc")
    for pid in (each for each in Path("/proc").iterdir() if each.name.isdecimal()):
        (tmp_path / pid.name).symlink_to(pid)
    lines = Path("/proc/stat").read_text().splitlines()
    moved = [f"btime {int(line.split()[1]) + 3600}" if line.startswith("btime") else line for line in lines]
    (tmp_path / "stat").write_text("\n".join(moved) + "\n")
    before, psutil.PROCFS_PATH = psutil.PROCFS_PATH, str(tmp_path)
    yield
    psutil.PROCFS_PATH = before


def test_a_step_of_the_clock_makes_nobody_another_process(request: pytest.FixtureRequest) -> None:
    me, started = ProcessIdentity.current(), psutil.Process().create_time()
    request.getfixturevalue("stepped_clock")
    assert psutil.Process().create_time() == started + 3600, "the clock did not step"
    assert ProcessIdentity.current() == me
    assert me.process() is not None


def test_two_processes_are_two_and_a_dead_one_is_nobody() -> None:
    done = processes.event()
    with processes.running(done.wait, PATIENCE_SECONDS) as child:
        assert child.pid
        it = ProcessIdentity.of(child.pid)
        assert it.process() is not None
        assert ProcessIdentity(it.host, os.getpid(), it.created - 1000).process() is None
        child.kill()
        processes.join(child)
    assert it.process() is None
