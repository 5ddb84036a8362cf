"""Turns: holds the runs that Prefect finds due against the agenda; says which begin, and closes those without purpose.

The rules are domain/watchdog/agenda.py; this module asks Prefect and tells it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.logging import get_logger
from prefect.states import Cancelled, Scheduled

from countersign.domain.watchdog.agenda import Agenda, Due, Origin, plan, stages_to_catch_up
from countersign.models.timetable import WATCHDOG, Slot
from countersign.store.clock import wall_clock
from countersign.store.sessions import load_sessions

CATCH_UP_TAG = "catch-up"
SKIPPED = "Skipped"
# Watchdogs run once a day, and at each start.
LOOK_BACK = 50


@dataclass
class Turns:
    """The turns of one runner: `stages` names its deployments, `handed_out` are the runs it was given to begin."""

    home: Path
    slots: Sequence[Slot]
    stages: dict[UUID, str]
    handed_out: dict[UUID, Due] = field(default_factory=dict)

    async def choose(self, client: PrefectClient, found: Sequence[FlowRun], busy: Collection[UUID]) -> list[FlowRun]:
        """Return the runs to begin now, and close as skipped those without purpose; `busy` are those not over yet."""
        self.handed_out = {run_id: due for run_id, due in self.handed_out.items() if run_id in busy}
        runs = {run.id: run for run in found if run.id not in busy}
        due = [self._due(run) for run in runs.values()]
        if not due:
            return []
        caught_up = await self._caught_up(client)
        running = list(self.handed_out.values())
        agenda = plan(due, running, wall_clock(), self.slots, self.is_session, caught_up)
        # Dozens of closings take a second: they must not delay the next run.
        if not agenda.begin:
            await self._skip(client, agenda)
        self.handed_out |= {each.id: each for each in agenda.begin}
        return [runs[each.id] for each in agenda.begin]

    async def catch_up(self, client: PrefectClient, now: datetime) -> None:
        """Plan runs for now: of the stages with a near deadline, and of the watchdog for all that was missed."""
        wanted = stages_to_catch_up(now, self.slots, self.is_session)
        for deployment_id, stage in self.stages.items():
            if stage in wanted:
                state: State[object] = Scheduled(scheduled_time=now, message="Catching up at the start.")
                await client.create_flow_run_from_deployment(deployment_id, state=state, tags=[CATCH_UP_TAG])

    def is_session(self, day: date) -> bool:
        """Whether a day counts as a session; one past the calendar's horizon does, so that its flow can say so."""
        sessions = load_sessions(self.home)
        return day > sessions.known_until or day in sessions

    def _due(self, run: FlowRun) -> Due:
        by_hand = Origin.CATCH_UP if CATCH_UP_TAG in run.tags else Origin.HAND
        origin = Origin.TIMETABLE if run.auto_scheduled else by_hand
        stage = self.stages.get(run.deployment_id, "") if run.deployment_id else ""
        return Due(run.id, stage, run.expected_start_time or wall_clock(), origin)

    async def _caught_up(self, client: PrefectClient) -> datetime | None:
        """Ask for the planned time of the newest watchdog that completed; one for a session of the past is none."""
        watchdogs = [deployment_id for deployment_id, stage in self.stages.items() if stage == WATCHDOG]
        completed = FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=watchdogs),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED])),
        )
        runs = await client.read_flow_runs(
            flow_run_filter=completed, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=LOOK_BACK
        )
        times = [run.expected_start_time for run in runs if not run.parameters.get("session")]
        return max((time for time in times if time), default=None)

    async def _skip(self, client: PrefectClient, agenda: Agenda) -> None:
        for due, reason in agenda.skip:
            # Cancelled, as it is neither a success nor a failure; no process was started, so that no hook runs.
            state: State[object] = Cancelled(name=SKIPPED, message=f"Skipped: {reason}.")
            await client.set_flow_run_state(due.id, state)
            get_logger("runner").info("Skipped %s of %s: %s.", due.stage, f"{due.at:%F %H:%M} UTC", reason)
