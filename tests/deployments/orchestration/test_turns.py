"""A real server and a real runner after an outage: runs skipped, runs begun, and dead runs that a start finds."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Scheduled

from countersign.deployments.orchestration.environment import prefect_home
from countersign.deployments.orchestration.schedules import deployment_of
from countersign.deployments.orchestration.turns import SKIPPED
from countersign.deployments.supervision.child import Child
from countersign.domain.sessions import EXCHANGE_ZONE
from countersign.models.timetable import Slot
from countersign.store.clock import wall_clock
from tests.support.tiny_timetable import EVENING, HOURLY, LONG, START, TURNS, URGENT, WATCHDOG
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ids(served_home: Path) -> dict[str, UUID]:
    """The deployments, registered before any runner of theirs runs."""
    return {slot.stage: UUID(str(deployment_of(slot, served_home).apply())) for slot in TURNS}


@contextmanager
def runner(home: Path, *options: str) -> Iterator[Child]:
    arguments = [
        "countersign.deployments.orchestration.runner",
        str(home),
        "--timetable",
        "tests.support.tiny_timetable:TURNS",
        *options,
    ]
    child = Child(arguments, {}, home / "logs" / "turns.log")
    try:
        yield child
    finally:
        child.kill_group()


def ask(ids: dict[str, UUID], slot: Slot, at: datetime, **parameters: Any) -> UUID:
    """Plan a run, as a person does."""
    with get_client(sync_client=True) as client:
        state: Any = Scheduled(scheduled_time=at)
        return client.create_flow_run_from_deployment(ids[slot.stage], state=state, parameters=parameters).id


def plan(home: Path, ids: dict[str, UUID], slot: Slot, at: datetime) -> UUID:
    """Plan a run as the server does, which plans none of the past."""
    found = ask(ids, slot, at)
    with closing(sqlite3.connect(prefect_home(home) / "prefect.db", isolation_level=None)) as database:
        database.execute("UPDATE flow_run SET auto_scheduled = 1 WHERE id = ?", (str(found),))
    return found


def read(run_id: UUID) -> FlowRun:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run_id)


def steps_of(run_id: UUID) -> list[FlowRun]:
    with get_client(sync_client=True) as client:
        of_it = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run_id]))
        return client.read_flow_runs(flow_run_filter=of_it)


def is_in(kind: StateType, *run_ids: UUID) -> Callable[[], bool]:
    def all_are() -> bool:
        states = [read(run_id).state for run_id in run_ids]
        return all(state is not None and state.type == kind for state in states)

    return all_are


def why(run_id: UUID) -> str:
    """Why a run was skipped; "" where it was not."""
    run = read(run_id)
    assert run.run_count == 0
    return str(run.state.message) if run.state and run.state.name == SKIPPED else ""


def evening(day: int) -> datetime:
    """A quarter past six in the evening; 2025-01-02 is a Thursday."""
    return datetime(2025, 1, day, 18, 15, tzinfo=EXCHANGE_ZONE)


def test_after_an_outage_only_runs_with_a_purpose_begin(served_home: Path, ids: dict[str, UUID]) -> None:
    thursday, friday, saturday = (plan(served_home, ids, EVENING, evening(day)) for day in (2, 3, 4))
    poll = plan(served_home, ids, HOURLY, wall_clock() - timedelta(hours=14))
    by_hand = ask(ids, EVENING, evening(4))
    with runner(served_home, "--catch-up") as child:
        wait_until(is_in(StateType.CANCELLED, thursday, friday, saturday, poll), child=child)
        wait_until(is_in(StateType.COMPLETED, by_hand), child=child)
    assert why(saturday) == "Skipped: 2025-01-04 is not a session."
    assert why(thursday) == "Skipped: a later run of this stage is due, of 2025-01-03 18:15."
    assert why(poll) == "Skipped: its hour is over: the next one does its work."
    assert why(friday).startswith("Skipped: the watchdog of ")
    assert [run.name for run in steps_of(friday)] == []


def test_two_runs_that_hang_leave_a_place_for_one_with_a_deadline(served_home: Path, ids: dict[str, UUID]) -> None:
    now = datetime.now(UTC)
    with runner(served_home) as child:
        hanging = [ask(ids, LONG, now), ask(ids, LONG, now)]
        wait_until(is_in(StateType.RUNNING, *hanging), child=child)
        waiting, urgent = ask(ids, EVENING, evening(2)), ask(ids, URGENT, now)
        wait_until(is_in(StateType.COMPLETED, urgent), child=child)
        assert read(waiting).run_count == 0
    with get_client(sync_client=True) as client:
        client.delete_flow_run(waiting)


@pytest.mark.parametrize("where", ["pending", "unsaid", "step"])
def test_a_run_that_is_killed_while_it_starts_is_crashed_by_the_next_start(
    served_home: Path, ids: dict[str, UUID], where: str
) -> None:
    marks = set((served_home / "notes").glob("unsaid-*"))
    with ExitStack() as stack:
        child = stack.enter_context(runner(served_home))
        cut = ask(ids, START, datetime.now(UTC), where=where)
        if where == "pending":
            wait_until(is_in(StateType.PENDING, cut), child=child)
        else:
            wait_until(lambda: set((served_home / "notes").glob("unsaid-*")) - marks, child=child)
    left = [cut, *(step.id for step in steps_of(cut))]
    assert len(left) == (2 if where == "step" else 1)
    assert not any(is_in(StateType.CRASHED, each)() for each in left)
    with runner(served_home) as child:
        wait_until(is_in(StateType.CRASHED, *left), child=child)


def test_a_start_runs_the_watchdog_once(served_home: Path, ids: dict[str, UUID]) -> None:
    before = plan(served_home, ids, WATCHDOG, evening(3))
    with runner(served_home, "--catch-up") as child:
        wait_until(is_in(StateType.CANCELLED, before), child=child)
    assert why(before).startswith("Skipped: ")
