"""The flow runner: starts every scheduled run of a home as a process of its own. A part of `up`.

python -m deployments.runner HOME --timetable MODULE:NAME [--catch-up]
"""

import argparse
import asyncio
import multiprocessing
import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from prefect.deployments.runner import RunnerDeployment
from prefect.logging import get_logger
from prefect.runner.runner import Runner

from deployments.schedules import deployments_of, load_flow
from models.timetable import Slot
from tasks.runs import reap_dead_runs

# Late runs all come due together after an outage: without a limit, 40 of them were 42 processes and 3.7 GiB. They start
# in the order of their schedule; the second place keeps a stage that hangs from holding up all others.
LIMIT = 2
CATCH_UP_STAGE = "watchdog"


class ScheduleRunner(Runner):
    """Prefect's runner, which leaves its schedules active when it stops, and stops on SIGTERM as it does on Ctrl-C."""

    def __init__(self, limit: int = LIMIT, query_seconds: float | None = None) -> None:
        # Prefect's default pauses the schedules at a clean stop and deletes the runs ahead, which are then missed.
        super().__init__(name="countersign", limit=limit, query_seconds=query_seconds, pause_on_shutdown=False)

    def handle_sigterm(self, *_args: Any, **_kwargs: Any) -> None:
        """Take the way of Ctrl-C: Prefect's own handler exits from inside the event loop and skips the clean-up."""
        signal.raise_signal(signal.SIGINT)


def serve(
    deployments: Sequence[RunnerDeployment], flow_names: Sequence[str], *, query_seconds: float | None = None
) -> None:
    """Register the deployments and run what comes due, until interrupted; runs cut short by that end as Crashed.

    Runs of `flow_names` that an earlier runner left behind are marked Crashed first.
    """
    _reap(flow_names)

    async def main() -> None:
        runner = ScheduleRunner(query_seconds=query_seconds)
        for deployment in deployments:
            await runner.aadd_deployment(deployment)
        await runner.start()

    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        get_logger("runner").info("Interrupted; the schedules stay active.")
    finally:
        _reap(flow_names)


def catch_up(home: Path, slots: Sequence[Slot]) -> None:
    """Run the watchdog once, and wait: it settles the sessions missed meanwhile, in order.

    A failure is told and does not keep the schedules from starting: the watchdog's next turn will try again.
    """
    _reap([slot.name for slot in slots])
    watchdog = load_flow(next(slot for slot in slots if slot.stage == CATCH_UP_STAGE))
    try:
        watchdog(home=str(home))
    except Exception:
        get_logger("runner").exception("Catching up failed; the schedules start nevertheless.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a home; with --catch-up, let the watchdog repair first what was missed."""
    parser = argparse.ArgumentParser(prog="deployments.runner")
    parser.add_argument("home", type=Path)
    parser.add_argument("--timetable", required=True, metavar="MODULE:NAME")
    parser.add_argument("--catch-up", action="store_true")
    options = parser.parse_args(arguments)
    module, _, name = options.timetable.partition(":")
    slots: Sequence[Slot] = getattr(import_module(module), name)
    if options.catch_up and not _finished(catch_up, options.home, slots):
        return
    serve(deployments_of(slots, options.home), [slot.name for slot in slots])


def _finished(function: Callable[..., None], *arguments: Any) -> bool:
    """Run it in a process of its own, whose memory does not stay with the runner for months; False when interrupted."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    try:
        process.join()
    except KeyboardInterrupt:
        process.kill()
        process.join()
        return False
    return True


def _reap(flow_names: Sequence[str]) -> None:
    for name in reap_dead_runs(flow_names, datetime.now(UTC), runner_stopped=True):
        get_logger("runner").warning("Run '%s' had lost its process: marked Crashed.", name)


if __name__ == "__main__":
    main()
