from datetime import UTC, datetime
from pathlib import Path

from flows.scheduled import scheduled_at


def test_outside_any_run_it_is_now_in_shanghai() -> None:
    at = scheduled_at(datetime(2025, 1, 2, 16, 30, tzinfo=UTC))
    assert at.isoformat() == "2025-01-03T00:30:00+08:00"


def test_a_run_that_no_deployment_started_is_of_now(served_home: Path) -> None:
    from tests.support.tiny_flows import note  # noqa: PLC0415 - imported where its server is known

    assert note() == 42
