"""A real server, a real runner: schedules make runs, late ones keep their day, a stop keeps the schedules."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterName,
)
from prefect.client.schemas.objects import FlowRun
from prefect.states import Scheduled

from countersign.deployments.supervision.child import Child
from countersign.domain.sessions import EXCHANGE_ZONE
from tests.support.waiting import PATIENCE_SECONDS, wait_until


def notes_of(home: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((home / "notes").glob("*.json"))]


def run_of(name: str) -> FlowRun | None:
    with get_client(sync_client=True) as client:
        named = FlowRunFilter(name=FlowRunFilterName(any_=[name]))
        return next(iter(client.read_flow_runs(flow_run_filter=named)), None)


def state_of(name: str) -> str:
    run = run_of(name)
    return run.state.name if run and run.state else ""


@pytest.fixture(scope="module")
def due() -> datetime:
    """The time of the scheduled run, 6 s from now."""
    return (datetime.now(UTC) + timedelta(seconds=6)).replace(microsecond=0)


@pytest.fixture(scope="module")
def runner(served_home: Path, due: datetime) -> Iterator[Child]:
    """A runner of the tiny flows, with a schedule at `due`."""
    log = served_home / "logs" / "tiny-runner.log"
    child = Child(["tests.support.tiny_runner", str(served_home), due.isoformat()], {}, log)
    yield child
    child.stop(PATIENCE_SECONDS)


def schedule(runner: Child, deployment: str, at: datetime) -> None:
    with get_client(sync_client=True) as client:

        def deployment_id() -> object:
            found = [d for d in client.read_deployments() if d.name == deployment]
            return found[0].id if found else None

        client.create_flow_run_from_deployment(
            wait_until(deployment_id, child=runner), state=Scheduled(scheduled_time=at)
        )  # type: ignore[arg-type]


def test_a_schedule_makes_a_run_and_the_runner_executes_it_for_its_time(
    served_home: Path, runner: Child, due: datetime
) -> None:
    # The first times may have passed before a slow machine serves.
    times = {(due + n * timedelta(seconds=30)).astimezone(EXCHANGE_ZONE).isoformat() for n in range(20)}
    seen = wait_until(lambda: [note for note in notes_of(served_home) if note["at"] in times], child=runner)
    assert seen[0]["session"] is None
    assert seen[0]["home"] == str(served_home)
    assert seen[0]["pid"] != runner.identity.pid


@pytest.mark.slow
def test_a_late_run_takes_the_time_it_was_scheduled_for(served_home: Path, runner: Child) -> None:
    schedule(runner, "note", datetime(2025, 1, 2, 10, 15, tzinfo=UTC))
    wait_until(lambda: state_of("note 2025-01-02") == "Completed", child=runner)
    assert "2025-01-02T18:15:00+08:00" in [note["at"] for note in notes_of(served_home)]


@pytest.mark.slow
def test_a_clean_stop_keeps_the_schedules_and_ends_the_run_it_cut_short(served_home: Path, runner: Child) -> None:
    others = set((served_home / "notes").glob("hang-*"))
    schedule(runner, "hang", datetime(2025, 1, 3, 10, 15, tzinfo=UTC))
    wait_until(lambda: set((served_home / "notes").glob("hang-*")) - others, child=runner)
    runner.stop(PATIENCE_SECONDS)
    assert runner.exit_code == 0
    assert state_of("hang 2025-01-03") == "Crashed"
    with get_client(sync_client=True) as client:
        soon = next(deployment for deployment in client.read_deployments() if deployment.name == "soon")
        assert not soon.paused
        assert [schedule.active for schedule in soon.schedules] == [True]
        of_soon = DeploymentFilter(id=DeploymentFilterId(any_=[soon.id]))
        ahead = [run for run in client.read_flow_runs(deployment_filter=of_soon) if run.state.is_scheduled()]
    assert ahead
