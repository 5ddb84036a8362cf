"""The flow runner: starts every scheduled run of a home as a process of its own. A part of `up`.

python -m countersign.deployments.orchestration.runner HOME --timetable MODULE:NAME [--catch-up]
"""

import argparse
import asyncio
import signal
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import AsyncClientContext
from prefect.deployments.runner import RunnerDeployment
from prefect.logging import get_logger
from prefect.runner.runner import Runner

from countersign.deployments.orchestration.schedules import deployments_of
from countersign.deployments.orchestration.turns import Turns
from countersign.domain.watchdog.agenda import PLACES, RESERVED
from countersign.flows.runs import reap_dead_runs
from countersign.models.timetable import OTHER_FLOWS, Slot
from countersign.store.clock import wall_clock

# How long a run whose time has come, or a free place, waits to be seen; a question costs the server some 20 ms.
QUERY_SECONDS = 2.0
HEALTH_SECONDS = 0.1


class ScheduleRunner(Runner):
    """Prefect's runner: its runs take turns, its schedules stay active when it stops; SIGTERM is as Ctrl-C to it.

    Late runs all come due together after an outage: without a limit, 40 of them were 42 processes and 3.7 GiB.
    """

    def __init__(self, home: Path, slots: Sequence[Slot], query_seconds: float = QUERY_SECONDS) -> None:
        # Prefect's default pauses the schedules at a clean stop and deletes the runs ahead, which are then missed.
        super().__init__(
            name="countersign", limit=PLACES + RESERVED, query_seconds=query_seconds, pause_on_shutdown=False
        )
        self.turns = Turns(home, slots, {})

    async def aadd_deployment(self, deployment: RunnerDeployment) -> Any:
        """Register a deployment, and remember of which stage it is."""
        deployment_id = await super().aadd_deployment(deployment)
        self.turns.stages[deployment_id] = deployment.name
        return deployment_id

    async def __aenter__(self) -> Self:
        """Start it, with our turns between the due runs that Prefect finds, in order of time, and those that begin."""
        await super().__aenter__()
        # Prefect has no public place to say which run is next.
        poller = self._scheduled_run_poller
        find = poller._get_scheduled_flow_runs

        async def choose() -> list[FlowRun]:
            try:
                busy = poller._submitting_flow_run_ids
                return await self.turns.choose(self._client, await find(), busy)
            except httpx.TransportError as error:
                # Prefect gives up after three in a row; the supervisor starts the server again in that time.
                self._logger.warning("The Prefect server does not answer: %r", error)
                return []

        poller._get_scheduled_flow_runs = choose  # type: ignore[method-assign]
        return self

    def handle_sigterm(self, *_args: Any, **_kwargs: Any) -> None:
        """Take the way of Ctrl-C: Prefect's own handler exits from inside the event loop and skips the clean-up."""
        signal.raise_signal(signal.SIGINT)


def serve(
    home: Path,
    deployments: Sequence[RunnerDeployment],
    slots: Sequence[Slot],
    *,
    catch_up: bool = False,
    query_seconds: float = QUERY_SECONDS,
) -> None:
    """Register the deployments and run each as it falls due, until interrupted; runs cut short by that end as Crashed.

    Runs that an earlier runner left behind are marked Crashed first. With `catch_up`, the stages whose deadline is near
    run at once, and after them the watchdog, which settles the sessions missed meanwhile, in order.
    """
    flow_names = {*(slot.name for slot in slots), *OTHER_FLOWS}
    _reap(flow_names)

    async def main() -> None:
        runner = ScheduleRunner(home, slots, query_seconds)
        # One connection for all: each client reads the world's certificate authorities.
        async with AsyncClientContext() as shared:
            for deployment in deployments:
                await runner.aadd_deployment(deployment)
            if catch_up:
                await runner.turns.catch_up(shared.client, wall_clock())
        await runner.start()

    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        get_logger("runner").info("Interrupted; the schedules stay active.")
    finally:
        _reap(flow_names)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a home; with --catch-up, run first what was missed."""
    parser = argparse.ArgumentParser(prog="countersign.deployments.orchestration.runner")
    parser.add_argument("home", type=Path)
    parser.add_argument("--timetable", required=True, metavar="MODULE:NAME")
    parser.add_argument("--catch-up", action="store_true")
    options = parser.parse_args(arguments)
    module, _, name = options.timetable.partition(":")
    slots: Sequence[Slot] = getattr(import_module(module), name)
    try:
        # The flows are imported while the server starts.
        deployments = deployments_of(slots, options.home)
        _wait_for_server()
    except KeyboardInterrupt:
        return
    serve(options.home, deployments, slots, catch_up=options.catch_up)


def _wait_for_server() -> None:
    """Wait until the server answers; the process that started it bounds the wait."""
    pause = threading.Event()
    with get_client(sync_client=True) as client:
        while client.api_healthcheck() is not None:
            pause.wait(HEALTH_SECONDS)


def _reap(flow_names: set[str]) -> None:
    for name in reap_dead_runs(flow_names, wall_clock(), runner_stopped=True):
        get_logger("runner").warning("Run '%s' had lost its process: marked Crashed.", name)


if __name__ == "__main__":
    main()
