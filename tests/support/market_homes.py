"""Homes made for a test: real ledger, real lake, in a temporary folder."""

from datetime import UTC, datetime
from pathlib import Path

from countersign.store.clock import ClockKind
from countersign.store.home import Home
from tests.support.homes import put_ledger

NOW = datetime(2025, 6, 30, 12, tzinfo=UTC)


def new_home(folder: Path, clock: ClockKind = "system") -> Home:
    home = Home(folder, put_ledger(folder / "ledger.db"), folder / "lake", clock)
    home.create()
    return home
