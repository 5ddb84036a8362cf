"""Polling flow: asks every source once, shows the counts, and publishes the new signals in the lens."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger

from countersign.flows.artifacts import show_table
from countersign.flows.runs import record_process
from countersign.flows.scheduled import remember_run
from countersign.services.external.polling import poll_round
from countersign.services.external.reader import read_tallies
from countersign.settings import open_home
from countersign.store.clock import wall_clock
from countersign.tasks.publish import publish_lens

SHOWN_HOURS = timedelta(hours=23)


@flow(
    name="poll_external_signals",
    flow_run_name="poll",
    on_running=[record_process],
    on_completion=[remember_run],
    on_failure=[remember_run],
)
def poll_external_signals(session: date | None = None, home: Path | None = None) -> list[dict[str, Any]]:  # noqa: ARG001 - stages are called alike
    """Ask all sources, those that are not due yet too, but for paused, stopped and backing-off ones.

    The poller does so all day; this shows the day's counts by hour, and publishes the new signals. A source's trouble
    is data, not a failure. Safe to repeat, and beside the poller.
    """
    log = get_run_logger()
    opened = open_home(home)
    rows = [outcome.row for outcome in poll_round(opened, wall_clock, early=True)]
    for row in rows:
        log.log(30 if row["trouble"] else 20, "%s", row)
    if rows:
        show_table(rows, "external-signals", description="What the feeds said when they were asked last")
    with opened.ledger.read() as db:
        hours = read_tallies(db, wall_clock() - SHOWN_HOURS)
    if hours:
        show_table(hours[::-1], "external-signals-by-hour", description="What the polls of each hour brought (UTC)")
    publish_lens(opened)
    return rows
