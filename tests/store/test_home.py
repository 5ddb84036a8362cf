"""A home: created once, found again, and of one clock for life."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlmodel import delete

from countersign.models.errors import ConflictError, InputError, StoreError
from countersign.models.tables.operations import HomeFact
from countersign.services.publication.publish import publish
from countersign.store.clock import CLOCK_FILE
from countersign.store.home import Home
from tests.support import processes
from tests.support.crashing import find_read_only

NOW = datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def other(home: Home, **changes: object) -> Home:
    """The home as another process finds it."""
    given = {"path": home.path, "database_url": home.database_url, "lake_path": home.lake_path}
    return Home(**{**given, **changes})  # type: ignore[arg-type]


def test_creating_it_again_changes_nothing(home: Home) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()}

    before = files()
    assert other(home).create() is False
    assert files() == before
    assert (home.path / "keys").stat().st_mode & 0o777 == 0o700


def test_it_refuses_the_other_clock(home: Home) -> None:
    wrong = other(home, clock_kind="system")
    for enter in (wrong.check, wrong.create):
        with pytest.raises(ConflictError, match="created with the simulated clock"):
            enter()
    other(home).check()


def test_a_home_that_is_not_there_is_not_made_by_looking(tmp_path: Path) -> None:
    home = Home(tmp_path / "nowhere", f"sqlite:///{tmp_path / 'nowhere/ledger.db'}", tmp_path / "lake")
    with pytest.raises(InputError, match="home"):
        home.check()
    assert not home.path.exists()


def test_a_creation_that_was_cut_short_is_finished_by_the_next(home: Home) -> None:
    with home.ledger.write() as db:
        db.exec(delete(HomeFact))
    (home.path / CLOCK_FILE).unlink()
    with pytest.raises(StoreError, match="not created to the end"):
        other(home).check()
    assert other(home, clock_kind="simulated").create() is True
    # Cut short between the ledger's row and the clock's file.
    (home.path / CLOCK_FILE).unlink()
    assert other(home).create() is False
    assert other(home).clock.now().tzinfo is UTC


def test_a_file_where_a_folder_belongs_is_named(tmp_path: Path, ledger_url: str) -> None:
    (tmp_path / "lake").touch()
    with pytest.raises(StoreError, match=re.escape(str(tmp_path / "lake"))):
        Home(tmp_path, ledger_url, tmp_path / "lake").create()


def test_the_simulated_clock_stays_until_it_is_moved(home: Home) -> None:
    home.clock.set(NOW)
    assert other(home).clock.now() == NOW
    with pytest.raises(InputError, match="a time with a zone"):
        home.clock.set(NOW.replace(tzinfo=None))
    assert home.clock.now() == NOW


@pytest.mark.parametrize("text", ["", "yesterday", "2025-01-02T03:04:05"])
def test_a_clock_that_cannot_be_read_is_an_error_with_its_path(home: Home, text: str) -> None:
    (home.path / CLOCK_FILE).write_text(text)
    with pytest.raises(StoreError, match=CLOCK_FILE):
        home.clock.now()


def test_nobody_sets_the_system_clock(tmp_path: Path, ledger_url: str) -> None:
    home = Home(tmp_path, ledger_url, tmp_path / "lake")
    home.create()
    with pytest.raises(ConflictError, match="system clock"):
        home.clock.set(NOW)
    assert not home.clock.simulated
    assert not (tmp_path / CLOCK_FILE).exists()


def test_the_address_of_the_ledger_is_not_shown(tmp_path: Path) -> None:
    assert "secret" not in repr(Home(tmp_path, "postgresql://u:secret@h/d", tmp_path))


def use_read_only(path: Path, url: str) -> None:
    """Check that writers of a read-only home name the file that they could not write, and that readers read on."""
    new, old = Home(path / "new", f"sqlite:///{path / 'new.db'}", path / "new"), Home(path, url, path / "lake")
    assert old.clock.simulated
    assert old.sessions.days
    for use, words in (
        (new.create, f"{path / 'new'}: Read-only file system"),
        (old.create, f"ledger {path / 'ledger.db'}: attempt to write a readonly database"),
        (lambda: publish(old), f"ledger {path / 'ledger.db'}: attempt to write a readonly database"),
    ):
        with pytest.raises(StoreError) as refused:
            use()
        assert str(refused.value) == words
    raise SystemExit(7)


def test_a_read_only_home_is_read_and_refuses_in_words(tmp_path: Path) -> None:
    home = Home(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / "lake", "simulated")
    home.create()
    assert processes.run(find_read_only, tmp_path, use_read_only, tmp_path, home.database_url) == 7
    assert not (tmp_path / "new").exists()
    assert home.create() is False
