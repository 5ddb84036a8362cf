"""Factor checks of the watchdog: portfolios' signals that were not made, and sessions that are not tracked."""

from collections.abc import Callable
from datetime import date, timedelta

from countersign.domain.sessions import EXCHANGE_ZONE, at, deadline
from countersign.models.enums import ExecutionPrice
from countersign.models.problems import Repair, WatchdogProblem
from countersign.models.timetable import TIMETABLE
from countersign.services.factors.tracking import untracked
from countersign.services.portfolios.signals import active_portfolios, unanswered
from countersign.store.home import Home

SIGNALS = next(slot for slot in TIMETABLE if slot.stage == Repair.PORTFOLIOS)
# Time for which a missed signal is still reported: an outage may have been long.
LOOK_BACK = timedelta(days=30)
TRACKING = next(slot for slot in TIMETABLE if slot.stage == Repair.TRACK)


def _without_signal(home: Home, session: date) -> list[WatchdogProblem]:
    """Portfolios without a signal for today or a session of the last weeks, and without a notice to the owner.

    Before the deadline the stage makes the signals; after it, it notifies owners and operator, once.
    """
    now, problems = home.clock.now(), []
    days = home.sessions.between(session - LOOK_BACK, now.astimezone(EXCHANGE_ZONE).date())
    with home.ledger.read() as db:
        if not active_portfolios(db):
            return []
        late = [day for day in days if now > at(day, SIGNALS.late_after)]
        counts = {day: len(unanswered(db, day, at(day, SIGNALS.at))) for day in late}
    for day, count in counts.items():
        if count:
            missed = now >= deadline(day, ExecutionPrice.OPEN)
            text = f"{day}: {count} portfolios have no signal" + (", and their owners do not know" if missed else "")
            problems.append(WatchdogProblem("portfolios without signal", str(day), text, Repair.PORTFOLIOS, day))
    return problems


def _untracked(home: Home, session: date) -> list[WatchdogProblem]:
    """Sessions whose forward return is known and whose tracking is late; before that it is only on its way."""
    with home.ledger.read() as db:
        waiting = untracked(db, home.sessions, session)
    problems = []
    for day in waiting:
        known = home.sessions.next(home.sessions.next(day))
        if at(known, TRACKING.late_after) < home.clock.now():
            text = f"{day}: the IC of the factors is not tracked"
            problems.append(WatchdogProblem("not tracked", str(day), text, Repair.TRACK, day))
    return problems


FACTOR_CHECKS: tuple[Callable[[Home, date], list[WatchdogProblem]], ...] = (_without_signal, _untracked)
