"""Scheduled runs: a flow reads its planned time from its schedule, and is named by its session.

A run that starts late, after an outage, settles the session it was scheduled for, not today's; and one that starts a
fifth of a second early must not fall into the minute before.
"""

import logging
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

from prefect import Flow, get_run_logger
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext

from countersign.domain.sessions import EXCHANGE_ZONE
from countersign.models.errors import CountersignError
from countersign.models.timetable import TIMETABLE
from countersign.services.operations.platform_status import note_run
from countersign.settings import open_home
from countersign.store.clock import wall_clock
from countersign.store.home import Home


def scheduled_at(now: datetime) -> datetime:
    """Give the time this flow run was scheduled for, in the exchange's zone; `now` where no deployment started it.

    Kept through retries and reruns: it is the first time planned, not the latest. Call it in the flow's own body:
    inside tasks, and outside any run, `now` (aware, any zone) comes back in the exchange's zone.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None or run.deployment_id is None or run.expected_start_time is None:
        return now.astimezone(EXCHANGE_ZONE)
    return run.expected_start_time.astimezone(EXCHANGE_ZONE)


def due_session(home: Home) -> date:
    """Return the session a run without an argument is for: the newest one closed at its scheduled time.

    Under a simulated clock that is the clock's newest one: such a home lives in its own time, not in the schedule's.
    """
    now = home.clock.now()
    return home.sessions.newest_closed(now if home.clock.simulated else scheduled_at(now))


def session_of_run(home: Home, asked: date | None) -> date | None:
    """Return the session that a run of the evening is for: `asked`, else the one that is due; None where there is none.

    There is none, and the log says so, for an `asked` day that is not a session, and for a run that the timetable
    planned for such a day: the session before it had its own run.
    """
    day = asked or (None if home.clock.simulated else _planned_day())
    if day is not None and day not in home.sessions:
        get_run_logger().info("%s is not a session: passed over", day)
        return None
    return asked or due_session(home)


def due_today(home: Home) -> date | None:
    """Return the session that a run in the morning is for: its scheduled day, None where that is no session."""
    now = home.clock.now()
    day = (now if home.clock.simulated else scheduled_at(now)).astimezone(EXCHANGE_ZONE).date()
    return day if day in home.sessions else None


def run_name(verb: str, due: Callable[[Home], date | None] = due_session) -> Callable[[], str]:
    """Make a `flow_run_name` such as "settle 2025-01-02": the session asked for, or else the one that is due.

    Prefect's own templates ("settle {session}") say "settle None" on every scheduled run.
    """

    def name() -> str:
        context = FlowRunContext.get()
        given = (context.parameters or {}) if context else {}
        return f"{verb} {given.get('session') or _due_day(given.get('home'), due)}"

    return name


def remember_run(flow: Flow[..., Any], flow_run: FlowRun, state: State) -> None:
    """Record in the ledger a stage's end and its state. For `on_completion` and `on_failure`; it stops no flow."""
    started = (flow_run.expected_start_time or wall_clock()).astimezone(EXCHANGE_ZONE).time()
    slots = [slot for slot in TIMETABLE if slot.name == flow.name]
    slot = next((slot for slot in reversed(slots) if slot.at <= started), slots[0] if slots else None)
    if slot is None:
        return
    try:
        home = open_home(flow_run.parameters.get("home"))
        note_run(home, slot.stage, failed=not state.is_completed())
    except CountersignError as error:
        logging.getLogger("countersign").warning("the end of %s was not noted: %s", flow.name, error)


def _due_day(home: Path | None, due: Callable[[Home], date | None]) -> date:
    """The due session; without one, or where the home does not open (the flow will say so), the schedule's day."""
    try:
        found = due(open_home(home))
    except CountersignError:
        found = None
    return found or scheduled_at(wall_clock()).date()


def _planned_day() -> date | None:
    """The day that the timetable planned this run for; None where a person or a start asked for it."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None or not run.auto_scheduled or run.expected_start_time is None:
        return None
    return run.expected_start_time.astimezone(EXCHANGE_ZONE).date()
