"""Registers the timetable on a work pool, for more than one machine: workers start the runs, not `up`.

    python -m countersign.deployments.orchestration.deploy POOL

The code has to be installed where the worker is, and COUNTERSIGN_HOME set there; nothing is uploaded.
"""

import argparse
import asyncio
from collections.abc import Sequence
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.deployments.runner import adeploy
from prefect.exceptions import ObjectNotFound

from countersign.deployments.orchestration.schedules import deployments_of
from countersign.models.timetable import TIMETABLE, Slot

POOL_TYPE = "process"


def deploy(work_pool: str, slots: Sequence[Slot] = TIMETABLE) -> list[UUID]:
    """Register every slot on the pool and return the deployments' ids.

    A pool that does not exist is made, of processes. Repeating it updates the deployments in place. PREFECT_API_URL
    says which server.
    """
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(work_pool)
        except ObjectNotFound:
            client.create_work_pool(WorkPoolCreate(name=work_pool, type=POOL_TYPE))
    return asyncio.run(
        adeploy(
            *deployments_of(slots),
            work_pool_name=work_pool,
            build=False,
            push=False,
            print_next_steps_message=False,
            ignore_warnings=True,
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="countersign.deployments.orchestration.deploy")
    parser.add_argument("pool", help="name of the work pool")
    deploy(parser.parse_args().pool)
