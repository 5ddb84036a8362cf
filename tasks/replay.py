"""Replay tasks: opening strategies and submitting signals from files, on the path that researchers use."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from countersign.models.tables.strategies import StrategyTerms
from countersign.services.operations import replay as service
from countersign.services.operations.replay import PreparedSignals
from countersign.store.home import Home
from countersign.tasks.stage import stage_task


@stage_task()
def open_strategies(home: Home, terms: Sequence[StrategyTerms], now: datetime) -> int:
    """Open strategies in the replay's name, outside the tier limits; those that are open already stay as they are."""
    return service.open_strategies(home, terms, now)


@stage_task()
def prepare_signals(path: Path, folder: Path) -> PreparedSignals:
    """Check a file of signals, row by row; take it as it is if it is typed and sorted by session, else a copy."""
    return service.prepare_signals(path, folder)


@stage_task()
def remaining_sessions(home: Home, since: date, until: date) -> list[date]:
    """List the sessions of a replay that are not settled yet: a replay goes on where it was stopped."""
    return service.remaining_sessions(home, since, until)
