"""One timetable, said three times: served, on a work pool, and in prefect.yaml."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client

from countersign.deployments.orchestration.deploy import deploy
from countersign.deployments.orchestration.schedules import TAG, deployments_of, load_flow
from countersign.models.errors import InputError
from countersign.models.timetable import TIMETABLE, ZONE, Slot
from tests.support.tiny_timetable import HANG, NOTE, SLOTS

ROOT = Path(__file__).parents[3]


def said(slots: tuple[Slot, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": slot.stage,
            "entrypoint": slot.entrypoint,
            "schedules": [
                {"cron": f"{slot.at.minute} {'*' if slot.hourly else slot.at.hour} * * *", "timezone": "Asia/Shanghai"}
            ],
            "tags": [TAG],
        }
        for slot in slots
    ]


def test_prefect_yaml_agrees_with_the_timetable() -> None:
    text = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    pool = text["definitions"]["work_pool"]
    assert text["deployments"] == [{**deployment, "work_pool": pool} for deployment in said(TIMETABLE)]


def test_the_deployments_agree_with_the_timetable() -> None:
    made = [
        {
            "name": deployment.name,
            "entrypoint": deployment.entrypoint,
            "schedules": [
                schedule.schedule.model_dump(include={"cron", "timezone"}) for schedule in deployment.schedules or []
            ],
            "tags": deployment.tags,
        }
        for deployment in deployments_of(SLOTS)
    ]
    assert made == said(SLOTS)


@pytest.mark.parametrize("slot", TIMETABLE, ids=lambda slot: slot.stage)
def test_the_timetable_names_flows(slot: Slot) -> None:
    if find_spec(slot.flow.partition(":")[0]) is None:
        pytest.skip(f"{slot.flow} is not written yet")
    assert load_flow(slot).name == slot.name


def test_a_slot_that_names_no_flow_is_refused() -> None:
    with pytest.raises(InputError, match="flow: expected module:function"):
        load_flow(Slot("x", "x", "tests.support.tiny_flows:json", NOTE.at, NOTE.late_after))


@pytest.mark.slow
def test_deploy_registers_on_a_work_pool_and_repeats(served_home: Path) -> None:
    ids = deploy("tiny-pool", [NOTE, HANG])
    assert deploy("tiny-pool", [NOTE, HANG]) == ids
    with get_client(sync_client=True) as client:
        assert client.read_work_pool("tiny-pool").type == "process"
        deployments = [client.read_deployment(deployment_id) for deployment_id in ids]
    for slot, deployment in zip((NOTE, HANG), deployments, strict=True):
        assert deployment.work_pool_name == "tiny-pool"
        assert deployment.entrypoint == slot.entrypoint
        assert deployment.parameters == {}
        assert [schedule.schedule.model_dump(include={"cron", "timezone"}) for schedule in deployment.schedules] == [
            {"cron": slot.cron, "timezone": ZONE}
        ]
