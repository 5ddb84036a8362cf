import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from countersign.models.errors import LeaseError
from countersign.services.publication.publish import FOLDER, publish
from countersign.store.home import Home
from countersign.store.ledger.leases import lease
from countersign.store.lens.reader import open_lens
from tests.support.lens_reading_process import read_until_stopped
from tests.support.settled import make_home, settle, weekdays
from tests.support.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]
DAYS = weekdays(20)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with nothing settled."""
    return make_home(tmp_path / "home")


def module(name: str, home: Path) -> list[str]:
    return [sys.executable, "-m", f"tests.support.{name}", str(home)]


@pytest.mark.slow
def test_ten_readers_never_miss_a_beat_while_the_lens_is_replaced(home: Home) -> None:
    settle(home, DAYS[0])
    publish(home)
    processes = [
        subprocess.Popen(module("lens_reading_process", home.path), cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    with open_lens(home.path) as lens, ThreadPoolExecutor(7) as pool:
        readers = [pool.submit(read_until_stopped, lens, home.path) for _ in range(7)]
        try:
            for session in DAYS[1:6]:
                settle(home, session)
                assert publish(home).new
        finally:
            (home.path / "stop").touch()
        outcomes = [reader.result() for reader in readers]
    for process in processes:
        printed, _ = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0
        if printed:
            outcomes.append(json.loads(printed))
    assert len(outcomes) == 10
    assert max(outcome["versions"] for outcome in outcomes) >= 3


def test_a_reader_holds_its_version_and_follows_at_the_next_use(home: Home) -> None:
    settle(home, DAYS[0])
    publish(home)
    with open_lens(home.path) as lens:
        with lens.use() as db:
            first = home.path / FOLDER / f"{lens.version}.duckdb"
            for session in DAYS[1:5]:
                settle(home, session)
                publish(home)
            assert not first.exists()
            assert db.execute("SELECT count(*) FROM nav").fetchall() == [(3,)]
            assert db.execute("SELECT count(*) FROM positions").fetchall() == [(15,)]
            with lens.use() as other:
                assert other.execute("SELECT count(*) FROM nav").fetchall() == [(15,)]
        with lens.use() as db:
            assert db.execute("SELECT count(*) FROM nav").fetchall() == [(15,)]
        lens.close()
        with lens.use() as db:
            assert db.execute("SELECT count(*) FROM nav").fetchall() == [(15,)]


def test_replaced_versions_are_let_go_when_idle(home: Home) -> None:
    settle(home, DAYS[0])
    publish(home)
    with open_lens(home.path) as lens:
        for session in DAYS[1:5]:
            with lens.use() as db:
                db.execute("SELECT count(*) FROM nav").fetchall()
            settle(home, session)
            publish(home)
        with lens.use() as db:
            db.execute("SELECT count(*) FROM nav").fetchall()
        open_files = {link.readlink().name for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
        assert {name for name in open_files if name.startswith("00000")} == {f"{lens.version}.duckdb"}


def test_nobody_can_write_to_the_published_lens(home: Home) -> None:
    publish(home)
    with open_lens(home.path) as lens, lens.use() as db, pytest.raises(Exception, match="read-only"):
        db.execute("DELETE FROM strategies")


def test_a_second_publisher_waits_and_then_has_nothing_to_do(home: Home) -> None:
    settle(home, DAYS[0])
    with ThreadPoolExecutor(2) as pool:
        outcomes = [future.result() for future in [pool.submit(publish, home) for _ in range(2)]]
    assert sorted(outcome.new for outcome in outcomes) == [False, True]
    assert len({outcome.version for outcome in outcomes}) == 1


def test_a_publisher_waits_for_the_lease(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(home, DAYS[0])
    tried_again = threading.Semaphore(0)

    def noting(*arguments: Any) -> Any:
        tried_again.release()
        return lease(*arguments)

    monkeypatch.setattr("countersign.services.publication.publish.lease", noting)
    with ThreadPoolExecutor(1) as pool:
        with lease(home.ledger, "publish"):
            waiting = pool.submit(publish, home)
            for _ in range(3):
                assert tried_again.acquire(timeout=PATIENCE_SECONDS)
            assert not waiting.done()
            with pytest.raises(LeaseError, match="publish"):
                publish(home, wait_seconds=0)
        assert waiting.result().new


@pytest.mark.slow
def test_killed_at_any_step_the_old_lens_stays_and_the_next_publication_cleans_up(tmp_path: Path) -> None:
    done = subprocess.run(
        module("dying_publisher", tmp_path / "home"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 15
    assert {"copyfile", "fill", "rename", "symlink_to", "_clean"} <= set(done.stderr.split())
