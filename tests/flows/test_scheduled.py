from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path

import pytest
from prefect import Flow, State
from prefect.client.orchestration import get_client

from countersign.flows.scheduled import remember_run, scheduled_at
from countersign.models.timetable import TIMETABLE
from tests.support.tiny_flows import note


def test_outside_any_run_it_is_now_in_shanghai() -> None:
    at = scheduled_at(datetime(2025, 1, 2, 16, 30, tzinfo=UTC))
    assert at.isoformat() == "2025-01-03T00:30:00+08:00"


def test_a_run_that_no_deployment_started_is_of_now_and_named_by_its_session(served_home: Path) -> None:
    state: State[int] = note(session=date(2025, 1, 2), return_state=True)
    assert state.is_completed()
    assert state.state_details.flow_run_id
    with get_client(sync_client=True) as client:
        assert client.read_flow_run(state.state_details.flow_run_id).name == "note 2025-01-02"


@pytest.mark.parametrize("entrypoint", sorted({slot.flow for slot in TIMETABLE}))
def test_the_end_of_every_stage_is_remembered_however_it_ended(entrypoint: str) -> None:
    module, _, name = entrypoint.partition(":")
    stage: Flow[..., object] = getattr(import_module(module), name)
    for hooks in (stage.on_completion_hooks, stage.on_failure_hooks):
        assert remember_run in (hooks or ())
