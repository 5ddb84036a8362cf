"""Factor flows: the out-of-sample IC of active factors, and measuring factors again after a correction of bars."""

from datetime import date
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, unmapped
from prefect.artifacts import create_markdown_artifact

from countersign.flows.artifacts import show_table
from countersign.flows.publish import publish_and_show
from countersign.flows.runners import THREADS
from countersign.flows.runs import record_process
from countersign.flows.scheduled import remember_run, run_name, session_of_run
from countersign.models.errors import InputError, LeaseError, StoreError
from countersign.services.factors.revalidate import row_of
from countersign.services.factors.track import SESSIONS_PER_BATCH, Tracked
from countersign.services.market.closes import Closes
from countersign.settings import open_home
from countersign.store.home import Home
from countersign.store.ledger.chunks import chunked
from countersign.store.ledger.leases import lease
from countersign.tasks.factors import chart, find_untracked, list_tracked, track_sessions
from countersign.tasks.revalidation import find_affected, revalidate_chunk

LEASE = "factor-tracking"


@flow(
    name="factor_os_tracking",
    flow_run_name=run_name("track factors"),
    on_running=[record_process],
    on_completion=[remember_run],
    on_failure=[remember_run],
)
def factor_os_tracking(session: date | None = None, home: Path | None = None) -> list[dict[str, Any]]:
    """Track all sessions whose forward return is known by the close of `session` (default: the newest closed one).

    Safe to repeat. A session waits if it was never tracked, its bars were corrected since, values came late, or its
    file was lost.
    """
    opened = open_home(home)
    due = session_of_run(opened, session)
    if due is None:
        return []
    done = track_waiting(opened, due)
    if done:
        publish_and_show(opened)
    return [{"session": str(each.session), "factors": each.factors, "measured": each.measured} for each in done]


def track_waiting(home: Home, through: date) -> list[Tracked]:
    """Track the sessions that wait as a step of the calling flow; show the IC. Nothing while another run does it."""
    log = get_run_logger()
    try:
        with lease(home.ledger, LEASE):
            due = find_untracked(home, through).items()
            done = [each for batch in chunked(due, SESSIONS_PER_BATCH) for each in track_sessions(home, dict(batch))]
    except LeaseError as error:
        log.warning("another run is tracking: %s", error)
        return []
    if done:
        log.info("tracked %d sessions through %s", len(done), done[-1].session)
        rows = list_tracked(home, done[-1].session)
        show_table(rows, LEASE, description=f"Out-of-sample IC, {done[-1].session}")
        create_markdown_artifact(chart(home, rows), key="factor-ic", description="The last ICs of each factor")
    return done


@flow(
    name="factor_revalidation",
    flow_run_name="revalidate factors {since} to {until}",
    on_running=[record_process],
    task_runner=THREADS,
)
def factor_revalidation(since: date, until: date, home: Path | None = None) -> list[dict[str, Any]]:
    """Measure all factors again that were validated on bars from `since` to `until`. Safe to repeat.

    Meant for after a correction of these bars. An active factor stays active with any figures;
    services/factors/revalidation.py says why, and whom it notifies. The out-of-sample flow tracks its sessions again by
    itself. StoreError, which fails the run, if some could not be measured: the others are.
    """
    if since > until:
        raise InputError("from", f"a day not after {until}", since)
    opened = open_home(home)
    chunks = find_affected(opened, since, until)
    # All of them share one reading of the bars.
    measured = revalidate_chunk.task.map(unmapped(opened), unmapped(Closes(opened.lake)), chunks).result()
    done = [each for chunk in measured for each in chunk]
    rows = [row_of(each) for each in sorted(done, key=lambda each: (not each.error, not each.fails, each.name))]
    if rows:
        show_table(rows, "factor-revalidation", description=f"Factors measured again on the bars of {since} to {until}")
        publish_and_show(opened)
    errors = [f"{each.name}: {each.error}" for each in done if each.error]
    if errors:
        raise StoreError(f"{len(errors)} factors could not be measured: " + "; ".join(errors[:10]))
    return rows
