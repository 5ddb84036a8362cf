"""The stand-alone poller: asks each external feed when it is due, for as long as it lives. A part of `up`.

python -m countersign.deployments.poller HOME

One process and one event loop for all sources, without Prefect: a flow run a minute would cost an interpreter each.
The hourly flow `poll_external_signals` shows the new signals in Prefect.
"""

import argparse
import asyncio
import logging
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import httpx

from countersign.deployments.orchestration.environment import ROOT
from countersign.deployments.supervision.parts import Part
from countersign.models.errors import CountersignError
from countersign.services.external.polling import Now, due_sources, poll_source
from countersign.services.external.sources import Polled
from countersign.settings import open_home
from countersign.sources.external.feed_answers import open_client
from countersign.store.clock import wall_clock
from countersign.store.home import Home

# How often to look for sources that are due: a new one, or one that is to go on, waits no longer.
LOOK_SECONDS = 2.0
# Where our own ledger fails, the answer is lost; the feed is spared meanwhile.
OWN_TROUBLE_SECONDS = 30.0
PATIENCE_SECONDS = 5.0

_log = logging.getLogger("poller")


def poller_part(home: Path) -> Part:
    """Describe the poller of a home, for `up`."""
    return Part(
        name="poller",
        arguments=("countersign.deployments.poller", str(home)),
        environment={"PYTHONPATH": str(ROOT)},
        log=home / "logs" / "poller.log",
    )


async def run_poller(
    home: Home, stop: asyncio.Event, now: Now = wall_clock, transport: httpx.AsyncBaseTransport | None = None
) -> None:
    """Poll until `stop` is set; polls under way get a moment to end. Nothing that fails ends it."""
    under_way: dict[int, asyncio.Task[None]] = {}
    async with open_client(transport) as client:
        while not stop.is_set():
            for each in await _due(home, now):
                task = under_way.get(each.source.id)
                if task is None or task.done():
                    under_way[each.source.id] = asyncio.create_task(_poll(home, client, each, now))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
        tasks = [task for task in under_way.values() if not task.done()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=PATIENCE_SECONDS)
            for task in late:
                task.cancel()


async def _due(home: Home, now: Now) -> list[Polled]:
    try:
        return await asyncio.to_thread(due_sources, home, now())
    except CountersignError as error:
        _log.warning("%s", error)
        return []


async def _poll(home: Home, client: httpx.AsyncClient, polled: Polled, now: Now) -> None:
    try:
        outcome = await poll_source(home, client, polled, now)
    except Exception as error:
        if isinstance(error, CountersignError):
            _log.warning("%s: %s", polled.source.name, error)
        else:
            _log.exception("%s", polled.source.name)
        await asyncio.sleep(OWN_TROUBLE_SECONDS)
        return
    stored = outcome.stored
    if outcome.trouble:
        _log.warning("%s", outcome.trouble)
    elif stored.new or stored.revised or stored.quarantined:
        _log.info("%s: %d new, %d revised, %d unfit", outcome.source, stored.new, stored.revised, stored.quarantined)


async def _run_until_told(home: Home) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run_poller(home, stop)


def main(arguments: Sequence[str] | None = None) -> None:
    """Poll for a home until interrupted."""
    parser = argparse.ArgumentParser(prog="countersign.deployments.poller")
    parser.add_argument("home", type=Path)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(_run_until_told(open_home(options.home)))


if __name__ == "__main__":
    main()
