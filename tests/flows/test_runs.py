"""The reaper: runs that it takes for dead (by hand), and real processes killed and left alive."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State, StateType

from countersign.deployments.supervision.child import Child
from countersign.flows.runs import ATTEMPT, CREATED, HOST, PID, reap_dead_runs, why_dead
from countersign.store.processes import ProcessIdentity
from tests.support.tiny_timetable import HANG
from tests.support.waiting import wait_until

NOW = datetime(2025, 1, 2, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ME = ProcessIdentity.current()
NOBODY = ProcessIdentity(ME.host, ME.pid, ME.created - 1000)
ELSEWHERE = ProcessIdentity("another-machine", 1, 0.0)


def run(
    kind: StateType, age: timedelta, owner: ProcessIdentity | None = None, attempt: int = 1, **more: object
) -> FlowRun:
    labels = {HOST: owner.host, PID: owner.pid, CREATED: owner.created, ATTEMPT: attempt} if owner else {}
    state = State(type=kind, timestamp=NOW - age)
    return FlowRun.model_validate({"flow_id": uuid4(), "run_count": 1, "labels": labels, "state": state, **more})


@pytest.mark.parametrize(
    "alive",
    [
        run(StateType.RUNNING, 100 * HOUR, ME),
        run(StateType.CANCELLING, 100 * HOUR, ME),
        run(StateType.RUNNING, 11 * HOUR, ELSEWHERE),
        # It has not got as far as saying who it is, or the labels are those of the attempt before.
        run(StateType.RUNNING, MINUTE),
        run(StateType.RUNNING, MINUTE, NOBODY, attempt=0),
        run(StateType.PENDING, 4 * MINUTE, NOBODY),
        run(StateType.PENDING, HOUR, work_queue_id=uuid4(), deployment_id=uuid4()),
    ],
)
def test_a_run_that_may_live_is_left_alone(alive: FlowRun) -> None:
    assert why_dead(alive, NOW) is None


@pytest.mark.parametrize(
    "dead",
    [
        # The pid is in use, by a process that started at another time.
        run(StateType.RUNNING, MINUTE, NOBODY),
        run(StateType.CANCELLING, MINUTE, NOBODY),
        run(StateType.RUNNING, 12 * HOUR, ELSEWHERE),
        run(StateType.RUNNING, 12 * HOUR),
        run(StateType.PENDING, 5 * MINUTE),
        run(StateType.PENDING, 12 * HOUR, work_queue_id=uuid4(), deployment_id=uuid4()),
    ],
)
def test_a_run_without_its_process_is_dead(dead: FlowRun) -> None:
    assert why_dead(dead, NOW)


def test_while_the_runner_is_suspended_nobody_starts_its_pending_runs() -> None:
    served = run(StateType.PENDING, timedelta(0), deployment_id=uuid4())
    assert why_dead(served, NOW) is None
    assert why_dead(served, NOW, runner_stopped=True)
    # Of a command in another terminal, and of a work pool.
    assert why_dead(run(StateType.PENDING, timedelta(0)), NOW, runner_stopped=True) is None
    pooled = run(StateType.PENDING, timedelta(0), deployment_id=uuid4(), work_queue_id=uuid4())
    assert why_dead(pooled, NOW, runner_stopped=True) is None


@pytest.mark.parametrize("kind", [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING])
def test_a_run_without_an_identity_ends_with_its_runner(kind: StateType) -> None:
    for labels in ({}, {"owner": NOBODY, "attempt": 0}):
        served = run(kind, timedelta(0), deployment_id=uuid4(), **labels)
        assert why_dead(served, NOW) is None
        assert why_dead(served, NOW, runner_stopped=True)
        pooled = run(kind, timedelta(0), deployment_id=uuid4(), work_queue_id=uuid4(), **labels)
        assert why_dead(pooled, NOW, runner_stopped=True) is None
    assert why_dead(run(StateType.RUNNING, timedelta(0), ME, deployment_id=uuid4()), NOW, runner_stopped=True) is None


@pytest.mark.parametrize("kind", [StateType.PENDING, StateType.RUNNING])
def test_a_step_without_an_identity_ends_with_its_run(kind: StateType) -> None:
    step = run(kind, timedelta(0))
    assert why_dead(step, NOW, parent=run(StateType.RUNNING, HOUR, ME)) is None
    assert why_dead(step, NOW, parent=run(StateType.RUNNING, HOUR, NOBODY))
    assert why_dead(step, NOW, parent=run(StateType.RUNNING, HOUR)) is None


def test_an_identity_outlives_no_process(tmp_path: Path) -> None:
    child = Child(["tests.support.hang_now"], {}, tmp_path / "log")
    assert child.identity.process()
    os.kill(child.identity.pid, 9)
    # A zombie until somebody waits for it, and gone afterwards.
    wait_until(lambda: child.identity.process() is None)
    child.kill_group()
    assert child.identity.process() is None


@pytest.fixture
def hanging(served_home: Path) -> Iterator[list[Child]]:
    """Two processes, each in the middle of a flow run."""
    with ExitStack() as stack:
        children = []
        for number in (1, 2):
            child = Child(["tests.support.hang_now"], {}, served_home / "logs" / f"hang-{number}.log")
            stack.callback(child.kill_group)
            children.append(child)
        for child in children:
            begun = served_home / "notes" / f"hang-{child.identity.pid}"
            wait_until(begun.exists, child=child)
        yield children


def test_a_killed_run_is_marked_crashed_and_a_live_one_is_not(hanging: list[Child]) -> None:
    killed, alive = hanging
    killed.kill_group()
    with get_client(sync_client=True) as client:
        # By name: the server keeps the runs of all tests, and gives a page of them.
        ours = FlowFilter(name=FlowFilterName(any_=[HANG.name]))
        runs = {run.labels.get(PID): run.id for run in client.read_flow_runs(flow_filter=ours)}
        ids = [runs[child.identity.pid] for child in (killed, alive)]
        assert reap_dead_runs(["some_other_flow"], datetime.now(UTC)) == []
        assert len(reap_dead_runs([HANG.name], datetime.now(UTC), runner_stopped=True)) == 1
        assert reap_dead_runs([HANG.name], datetime.now(UTC)) == []
        found = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=ids)))
        states = {run.id: run.state for run in found}
        dead, live = (states[run_id] for run_id in ids)
    assert dead
    assert dead.type == StateType.CRASHED
    assert str(killed.identity.pid) in (dead.message or "")
    assert live
    assert live.type == StateType.RUNNING
