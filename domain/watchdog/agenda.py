"""Agenda: the runs that begin now, in order; those that wait; and those that have lost their purpose.

Pure: runs, the timetable and the time in, an agenda out. Fetching, starting and closing runs is the runner's business.

A stage with a deadline comes first, has a place reserved, and nothing else begins beside it. Then the watchdog, which
does the work of every stage that was missed; the stages that it covers wait for it, and are skipped once it is done.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from countersign.domain.sessions import EXCHANGE_ZONE, at
from countersign.models.timetable import WATCHDOG, Slot

# The second place keeps a stage that hangs from holding up all others; a stage with a deadline has one of its own.
PLACES, RESERVED = 2, 1
# A start this close before the time of a stage with a deadline does not wait for it.
AHEAD = timedelta(minutes=5)
HOUR = timedelta(hours=1)


class Origin(StrEnum):
    """Origin of a run: the timetable, the catching up of a start, or a person."""

    TIMETABLE = "timetable"
    CATCH_UP = "catch-up"
    HAND = "hand"


@dataclass(frozen=True)
class Due:
    """A run of a stage, planned for `at` (aware). A stage that is not in the timetable has no rules."""

    id: UUID
    stage: str
    at: datetime
    origin: Origin = Origin.TIMETABLE

    @property
    def day(self) -> date:
        """Day of the run's planned time, at the exchange."""
        return self.at.astimezone(EXCHANGE_ZONE).date()


@dataclass(frozen=True)
class Agenda:
    """Runs to begin now, in order, and runs to close, each with the reason in words. All others wait."""

    begin: tuple[Due, ...]
    skip: tuple[tuple[Due, str], ...]


def plan(
    due: Sequence[Due],
    running: Sequence[Due],
    now: datetime,
    slots: Sequence[Slot],
    is_session: Callable[[date], bool],
    caught_up: datetime | None = None,
) -> Agenda:
    """Decide on the runs that are due at `now`, beside those that run already.

    `caught_up` is the planned time of the newest watchdog that completed: all stages planned before it are done. A run
    that a person asked for is never skipped.
    """
    by_stage = {slot.stage: slot for slot in slots}
    newest = _newest(due, by_stage, is_session)
    skip: list[tuple[Due, str]] = []
    urgent: list[Due] = []
    ordinary: list[Due] = []
    watches = [run.at for run in running if run.stage == WATCHDOG]
    for run in due:
        slot = by_stage.get(run.stage)
        reason = _reason(run, slot, now, is_session, newest, caught_up)
        if reason:
            skip.append((run, reason))
        elif _is_urgent(run, slot, now):
            urgent.append(run)
        elif not _waits(run, slot, watches if run.stage == WATCHDOG else [*watches, *_at(newest, WATCHDOG)]):
            ordinary.append(run)
    busy = sum(_is_urgent(run, by_stage.get(run.stage), now) for run in running)
    begin = sorted(urgent, key=lambda run: run.at)[: max(0, PLACES + RESERVED - len(running))]
    if not urgent and not busy:
        ordinary.sort(key=lambda run: (_rank(run, by_stage.get(run.stage)), run.at))
        begin = ordinary[: max(0, PLACES - len(running))]
    return Agenda(tuple(begin), tuple(skip))


def stages_to_catch_up(now: datetime, slots: Iterable[Slot], is_session: Callable[[date], bool]) -> list[str]:
    """List the stages that a start at `now` runs at once: those whose deadline is near and open, and the watchdog."""
    today = now.astimezone(EXCHANGE_ZONE).date()
    return [
        slot.stage
        for slot in slots
        if slot.stage == WATCHDOG
        or (slot.deadline and is_session(today) and at(today, slot.at) - AHEAD <= now < at(today, slot.deadline))
    ]


def _reason(
    run: Due,
    slot: Slot | None,
    now: datetime,
    is_session: Callable[[date], bool],
    newest: dict[str, datetime],
    caught_up: datetime | None,
) -> str | None:
    """Say why a run has no purpose any more; None for one that has."""
    if slot is None or run.origin is Origin.HAND:
        return None
    if run.origin is Origin.TIMETABLE and not slot.hourly and not is_session(run.day):
        return f"{run.day} is not a session"
    if slot.hourly and now >= run.at + HOUR:
        return "its hour is over: the next one does its work"
    if run.at < newest[run.stage]:
        return f"a later run of this stage is due, of {_words(newest[run.stage])}"
    if slot.hourly or _is_urgent(run, slot, now) or caught_up is None or run.at > caught_up:
        return None
    return f"the watchdog of {_words(caught_up)} did its work"


def _newest(due: Iterable[Due], slots: dict[str, Slot], is_session: Callable[[date], bool]) -> dict[str, datetime]:
    """Give the newest planned time of each stage, of runs that have a purpose on their day."""
    found: dict[str, datetime] = {}
    for run in due:
        slot = slots.get(run.stage)
        if slot is None or run.origin is Origin.HAND:
            continue
        if run.origin is Origin.CATCH_UP or slot.hourly or is_session(run.day):
            found[run.stage] = max(run.at, found.get(run.stage, run.at))
    return found


def _waits(run: Due, slot: Slot | None, watches: Sequence[datetime]) -> bool:
    """Whether a watchdog that runs, or is due, is about to do a run's work."""
    if slot is None or slot.hourly or run.origin is Origin.HAND:
        return False
    return any(run.at <= watch for watch in watches)


def _is_urgent(run: Due, slot: Slot | None, now: datetime) -> bool:
    """Whether a run has a deadline that is still open."""
    return slot is not None and slot.deadline is not None and now < at(run.day, slot.deadline)


def _rank(run: Due, slot: Slot | None) -> int:
    return 0 if run.stage == WATCHDOG else 2 if slot and slot.hourly else 1


def _at(newest: dict[str, datetime], stage: str) -> list[datetime]:
    return [newest[stage]] if stage in newest else []


def _words(moment: datetime) -> str:
    return f"{moment.astimezone(EXCHANGE_ZONE):%F %H:%M}"
