"""A home is for its owner alone."""

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from countersign.settings import open_home
from countersign.store.clock import wall_clock
from countersign.store.home import Home
from countersign.store.privacy import keep_to_owner, narrow


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def wide(folder: Path) -> list[str]:
    found = [folder, *folder.rglob("*")]
    return [str(path) for path in found if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077]


def make(path: Path) -> Home:
    home = Home(path, f"sqlite:///{path / 'ledger.db'}", path / "lake")
    home.create()
    return home


def test_nothing_of_a_home_that_our_processes_make_is_readable_by_others(tmp_path: Path) -> None:
    with umask(0o022):
        keep_to_owner()
        home = make(tmp_path / "home")
        with home.journal.writing(simulated=False) as writer:
            writer.add({"README.txt": b"a file\n"}, "a file", wall_clock())
    assert wide(home.path) == []


def test_others_cannot_enter_a_home_under_any_umask(tmp_path: Path) -> None:
    with umask(0):
        home = make(tmp_path / "home")
    for path in (home.path, home.lake_path, home.path / "keys", *(home.path / "keys").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_home_that_others_could_read_is_narrowed_at_opening_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = make(tmp_path / "home")
    opened = (home.path, home.path / "keys", home.lake_path, home.path / "keys" / "jwt")
    for path in opened:
        path.chmod(0o755)
    with caplog.at_level(logging.WARNING, "countersign"):
        open_home(home.path)
        assert [record.message.partition(": others could read it")[0] for record in caplog.records] == [
            str(path) for path in opened
        ]
        caplog.clear()
        open_home(home.path)
        assert caplog.records == []
    assert not any(stat.S_IMODE(path.stat().st_mode) & 0o077 for path in opened)
    assert narrow(home.path, home.lake_path) == []
