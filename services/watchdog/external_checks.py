"""External checks of the watchdog: problems in the polling of external feeds.

All of them are warnings: a feed is somebody else's, and settlement does not wait for it.
"""

from datetime import date, timedelta

from countersign.models.problems import WatchdogProblem, stopped_problem
from countersign.services.external.sources import Polled, list_sources
from countersign.store.clock import wall_clock
from countersign.store.home import Home

LATE_AFTER_CADENCES = 3


def feed_problems(home: Home, _session: date) -> list[WatchdogProblem]:
    """List stopped sources, sources that nobody polls, gaps that last, and fields that a feed does not have.

    Paused sources have a gap at most.
    """
    with home.ledger.read() as db:
        found = list_sources(db)
    return [problem for each in found for problem in _problems(each)]


def _problems(each: Polled) -> list[WatchdogProblem]:
    source, state = each.source, each.state
    problems = []
    if state.stopped_at and not source.paused_at:
        problems.append(stopped_problem(source.name, state.trouble or "for no reason that was noted"))
    elif not source.paused_at:
        # A source that backs off is polled, at its own pace.
        due = state.due_at + timedelta(seconds=(LATE_AFTER_CADENCES - 1) * source.every_seconds)
        if wall_clock() > due:
            last = f"{state.polled_at:%F %T} UTC" if state.polled_at else "never"
            text = f"source {source.name} was due at {state.due_at:%F %T} UTC; last polled: {last}"
            problems.append(WatchdogProblem("source not polled", source.name, text, warning=True))
    if state.missing and not source.paused_at:
        text = (
            f"no item of {source.name}'s newest answer has {', '.join(state.missing)}: compare its mapping with "
            f"what comes, `countersign source add … --try` shows it"
        )
        problems.append(WatchdogProblem("external fields missing", source.name, text, warning=True))
    if each.gap_since:
        text = f"signals of {source.name} come and go unseen since {each.gap_since:%F %T} UTC"
        problems.append(WatchdogProblem("external gap", source.name, text, warning=True))
    return problems
