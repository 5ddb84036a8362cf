"""Back-ups: taken while everything runs, checked, restored into an empty home; seals in between, both ways round."""

import shutil
import stat
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import col, select

from countersign.domain.sessions import deadline
from countersign.models.errors import ConflictError, InputError, StoreError
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.attestation.journal_repair import accept_journal
from countersign.services.attestation.sealing import is_pending, seal_pending
from countersign.services.operations.backup import back_up, check_backup
from countersign.services.operations.restore import restore
from countersign.services.verification.verify import verify_journal
from countersign.store.home import Home
from countersign.store.ledger.ledger import Ledger
from tests.support.homes import DATABASES, Databases, make_home
from tests.support.journals import check_journal, files_of, git
from tests.support.settling import results, settle_due
from tests.support.strategies import open_strategies, send
from tests.support.trading import trading
from tests.support.waiting import PATIENCE_SECONDS

DAYS = trading().sessions
EARLY = deadline(DAYS[0], "open") - timedelta(hours=1)
Restore = Callable[[Path], Home]


@pytest.fixture
def restored(databases: Databases, tmp_path: Path) -> Restore:
    """Restore a back-up into a home of its own, with a ledger of the default kind, or of another."""
    count = iter(range(100))

    def make(source: Path, kind: str = "sqlite") -> Home:
        url = databases.empty(kind)
        place = tmp_path / f"restored-{next(count)}"
        home, _ = restore(source, place, lambda path: Home(path, url, path / "lake", "simulated"))
        return home

    return make  # type: ignore[return-value]


def rows_of(home: Home) -> dict[str, list[tuple[object, ...]]]:
    """Every row of a ledger, by table."""
    from sqlmodel import SQLModel  # noqa: PLC0415 - its tables are registered by now

    with home.ledger.read() as db:
        return {
            table.name: sorted((tuple(row) for row in db.connection().execute(table.select())), key=repr)
            for table in SQLModel.metadata.sorted_tables
        }


def active(home: Home) -> list[str]:
    """Active strategies that trade at the open, and signalled for the first session."""
    ours = (Signal.session == DAYS[0], Strategy.execution_price == "open", Strategy.status == "active")
    query = select(Strategy.slug).join(Signal, col(Signal.strategy_id) == col(Strategy.id)).where(*ours)
    with home.ledger.read() as db:
        return sorted(set(db.exec(query)))


@pytest.mark.parametrize("kind", DATABASES)
def test_a_home_comes_back_as_it_was(settled: Home, tmp_path: Path, restored: Restore, kind: str) -> None:
    seal_pending(settled, settled.clock.now())
    manifest = back_up(settled, tmp_path / "backup", settled.clock.now())
    assert check_backup(tmp_path / "backup") == manifest
    home = restored(tmp_path / "backup", kind)  # type: ignore[call-arg]
    assert rows_of(home) == rows_of(settled)
    assert results(home) == results(settled)
    assert git(home.path / "journal", "rev-parse", "main") == git(settled.path / "journal", "rev-parse", "main")
    for name in ("clock", "keys/journal_ed25519", "keys/jwt", "calendar_overrides.toml", "countersign.toml"):
        assert (home.path / name).read_bytes() == (settled.path / name).read_bytes()
    assert home.clock.now() == settled.clock.now()
    assert not is_pending(home)
    check_journal(home)
    # It goes on: numbers of rows that come do not meet those that were restored.
    slug, *_ = active(home)
    ahead = home.sessions.next(DAYS[-1])
    home.clock.set(deadline(ahead, "open") - timedelta(minutes=5))
    send(home, ahead, {slug: {"600001.SH": 0.5}}, home.clock.now())
    assert seal_pending(home, home.clock.now()).sealed == 1
    check_journal(home)
    Ledger(home.database_url).engine.dispose()


def test_nobody_else_can_read_it(settled: Home, tmp_path: Path) -> None:
    back_up(settled, tmp_path / "backup", EARLY)
    for path in [tmp_path / "backup", *(tmp_path / "backup").rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_taken_while_everything_runs_it_is_one_moment(home: Home, tmp_path: Path, restored: Restore) -> None:
    """Submitted and sealed without a pause while back-ups are made: each of them is whole, and verifies."""
    open_strategies(home, EARLY, "alpha", "beta")
    stop, rounds = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            now = EARLY + timedelta(seconds=n)
            send(home, DAYS[0], {"alpha": {"600001.SH": n / 10_000}, "beta": {"600001.SH": n / 10_000}}, now)
            seal_pending(home, now)
            rounds.release()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        places = [tmp_path / "one", tmp_path / "two"]
        for place in places:
            for _ in range(2):
                assert rounds.acquire(timeout=PATIENCE_SECONDS)
            back_up(home, place, EARLY)
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)
    for place in places:
        again = restored(place)
        submit(again, 3000, alpha=0.9)
        seal_pending(again, EARLY + timedelta(minutes=51))
        assert verify_journal(again.path / "journal").faults == ()
        with again.ledger.read() as db:
            assert not any(signal.content_lost for signal in db.exec(select(Signal)))
        check_journal(again)


def submit(home: Home, second: int, **weights: float) -> None:
    at = EARLY + timedelta(seconds=second)
    send(home, DAYS[0], {slug: {"600001.SH": weight} for slug, weight in weights.items()}, at)


@pytest.fixture
def in_between(home: Home, tmp_path: Path) -> Home:
    """A home with a back-up, and seals of several strategies since; signals of the next day, settled later."""
    open_strategies(home, EARLY, "alpha", "beta", "gamma")
    submit(home, 1, alpha=0.1, beta=0.2)
    seal_pending(home, EARLY + timedelta(seconds=1))
    back_up(home, tmp_path / "backup", EARLY)
    submit(home, 2, alpha=0.3)
    seal_pending(home, EARLY + timedelta(seconds=2))
    submit(home, 3, alpha=0.4, gamma=0.5)
    seal_pending(home, EARLY + timedelta(seconds=3))
    return home


def test_by_the_book_with_the_newest_clone_every_chain_goes_on(
    in_between: Home, tmp_path: Path, restored: Restore
) -> None:
    """The ledger of the back-up, the journal of the newest clone: no broken chain, no conflict, nobody stopped."""
    home = restored(tmp_path / "backup")
    shutil.rmtree(home.path / "journal")
    git(tmp_path, "clone", "-q", "--bare", str(in_between.path / "journal"), str(home.path / "journal"))
    submit(home, 5, alpha=0.6, beta=0.7, gamma=0.8)
    assert seal_pending(home, EARLY + timedelta(seconds=5)).sealed == 3
    assert verify_journal(home.path / "journal").faults == ()
    assert files_of(in_between.path / "journal").items() <= files_of(home.path / "journal").items()


def test_with_the_journal_of_the_back_up_and_a_newer_ledger_nothing_is_lost(
    in_between: Home, tmp_path: Path, restored: Restore
) -> None:
    old = restored(tmp_path / "backup")
    newest = files_of(in_between.path / "journal")
    shutil.rmtree(in_between.path / "journal")
    shutil.copytree(old.path / "journal", in_between.path / "journal")
    submit(in_between, 5, beta=0.7)
    with pytest.raises(ConflictError, match="admin journal accept"):
        seal_pending(in_between, EARLY + timedelta(seconds=5))
    accept_journal(in_between, EARLY)
    assert seal_pending(in_between, EARLY + timedelta(seconds=6)).sealed == 4
    assert newest.items() <= files_of(in_between.path / "journal").items()
    assert verify_journal(in_between.path / "journal").faults == ()
    check_journal(in_between)


def test_a_home_restored_before_later_seals_settles_and_names_the_lost_ones(
    fresh: Home, tmp_path: Path, restored: Restore
) -> None:
    """Two revisions since the back-up: one lost for good, one submitted again in time."""
    now = deadline(DAYS[0], "open") - timedelta(minutes=9)
    fresh.clock.set(now)
    seal_pending(fresh, now)
    back_up(fresh, tmp_path / "backup", now)
    first, second, *_ = active(fresh)
    send(fresh, DAYS[0], {first: {"600001.SH": 0.5}, second: {"600001.SH": 0.5}}, now)
    seal_pending(fresh, now)
    home = restored(tmp_path / "backup")
    shutil.rmtree(home.path / "journal")
    git(tmp_path, "clone", "-q", "--bare", str(fresh.path / "journal"), str(home.path / "journal"))
    seal_pending(home, now)
    send(home, DAYS[0], {second: {"600001.SH": 0.5}}, now + timedelta(minutes=1))
    seal_pending(home, now + timedelta(minutes=1))
    home.clock.set(deadline(DAYS[-1], "close") + timedelta(hours=4))
    settle_due(home, DAYS[0])
    seal_pending(home, home.clock.now())
    named = {(str(each.kind), each.strategy) for each in verify_journal(home.path / "journal").faults}
    # The first one's first signal is lost for good; the second one's lost revision was replaced in time. Others are
    # late because the fixture's signals come from after this clock.
    assert {each for each in named if each[0] != "late"} == {
        ("missing_reveal", first),
        ("left_out", first),
        ("missing_reveal", second),
    }


def test_the_next_back_up_takes_over_the_files_that_are_there(settled: Home, tmp_path: Path) -> None:
    place = tmp_path / "backup"
    back_up(settled, place, EARLY)
    lake = next(path for path in (place / "lake").rglob("*.parquet"))
    number = lake.stat().st_ino
    back_up(settled, place, EARLY + timedelta(days=1))
    assert lake.stat().st_ino == number
    assert check_backup(place).made_at == (EARLY + timedelta(days=1)).isoformat()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["ledger.db", "journal.bundle", "lake", "home/keys/journal_ed25519"])
def test_a_damaged_back_up_is_refused_before_anything_is_written(
    settled: Home, tmp_path: Path, restored: Restore, name: str
) -> None:
    seal_pending(settled, settled.clock.now())
    place = tmp_path / "backup"
    back_up(settled, place, EARLY)
    path = place / name if name != "lake" else next((place / "lake").rglob("*.parquet"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for attempt in (check_backup, restored):
        with pytest.raises(StoreError, match=r"expected \d+ bytes with SHA-256"):
            attempt(place)
    path.unlink()
    with pytest.raises(StoreError, match="not whole"):
        check_backup(place)
    assert not list(tmp_path.glob("*restored*"))


def test_a_lake_file_that_was_lost_or_altered_before_is_named(settled: Home, tmp_path: Path) -> None:
    one, two, *_ = sorted(settled.lake_path.rglob("*.parquet"))
    one.unlink()
    two.write_bytes(two.read_bytes()[::-1])
    manifest = back_up(settled, tmp_path / "backup", EARLY)
    assert manifest.absent == tuple(str(path.relative_to(settled.lake_path)) for path in (one, two))
    assert check_backup(tmp_path / "backup") == manifest


def test_nothing_is_written_over(settled: Home, tmp_path: Path, databases: Databases) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="DEST"):
        back_up(settled, full, EARLY)
    back_up(settled, tmp_path / "backup", EARLY)
    with pytest.raises(InputError, match="empty folder"):
        restore(tmp_path / "backup", full, lambda path: Home(path, databases.empty("sqlite"), path / "lake"))
    with pytest.raises(ConflictError, match="not empty"):
        restore(tmp_path / "backup", tmp_path / "new", lambda path: Home(path, settled.database_url, path / "lake"))
    with pytest.raises(InputError, match="made by `countersign backup`"):
        check_backup(full)
    assert [path.name for path in full.iterdir()] == ["letter.txt"]
    assert not (tmp_path / "new").exists()


def test_an_empty_home_can_be_backed_up(databases: Databases, tmp_path: Path, restored: Restore) -> None:
    home = make_home(tmp_path / "home", databases.ledger("sqlite"))
    assert back_up(home, tmp_path / "backup", EARLY).journal_head is None
    assert restored(tmp_path / "backup").journal.head() is None
