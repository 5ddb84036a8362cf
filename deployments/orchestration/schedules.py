"""The timetable as Prefect deployments: one for each slot, its flow registered by module, on its cron.

`up` serves them, `deploy` puts them on a work pool, and prefect.yaml says the same; a test holds the three together.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect._internal.versioning import VersionType
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from countersign.models.errors import InputError
from countersign.models.timetable import TIMETABLE, ZONE, Slot

TAG = "countersign"


def load_flow(slot: Slot) -> Flow[..., Any]:
    """Import a slot's flow; InputError if `slot.flow` names none."""
    module, _, function = slot.flow.partition(":")
    flow = getattr(import_module(module), function, None)
    if not isinstance(flow, Flow):
        raise InputError("flow", "module:function of a Prefect flow", slot.flow)
    return flow


def deployment_of(slot: Slot, home: Path | None = None) -> RunnerDeployment:
    """Make the deployment of one slot. Without `home` the run finds it as COUNTERSIGN_HOME where it is executed."""
    return RunnerDeployment.from_flow(
        load_flow(slot),
        slot.stage,
        schedule=Cron(slot.cron, timezone=ZONE),
        parameters={"home": str(home)} if home else {},
        tags=[TAG],
        # A file entrypoint would put the file's own folder on the import path, not the root.
        entrypoint_type=EntrypointType.MODULE_PATH,
        # Prefect would ask git three times a deployment, of whichever repository the current folder is in.
        version_type=VersionType.SIMPLE,
    )


def deployments_of(slots: Sequence[Slot] = TIMETABLE, home: Path | None = None) -> list[RunnerDeployment]:
    """Make the deployments of a timetable, in its order."""
    return [deployment_of(slot, home) for slot in slots]
