from datetime import UTC, date, datetime
from pathlib import Path

from prefect import State
from prefect.client.orchestration import get_client

from flows.scheduled import scheduled_at
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
