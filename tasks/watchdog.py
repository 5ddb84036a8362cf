"""Watchdog tasks: find work that is missing, late or stale, left-overs and expiries, and name the stage for repair."""

from datetime import date

from countersign.models.problems import WatchdogProblem
from countersign.services.watchdog import checks as service
from countersign.store.home import Home
from countersign.tasks.stage import stage_task


@stage_task()
def find_problems(home: Home, session: date) -> list[WatchdogProblem]:
    """Run all checks up to `session`; an empty list is a healthy home."""
    return service.find_problems(home, session)


@stage_task()
def sweep_orphans(home: Home) -> int:
    """Delete files of the lake that no row ever named and that are too old to be about to count; return how many."""
    return service.sweep_orphans(home)


@stage_task()
def alert_operator(home: Home, problems: list[WatchdogProblem]) -> None:
    """Make each problem a notification, and close those whose problem is gone."""
    service.alert_operator(home, problems)
