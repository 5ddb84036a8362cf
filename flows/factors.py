"""Factor flows: the out-of-sample IC of active factors, and measuring factors again after a correction of bars."""

from datetime import date
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact

from flows.artifacts import show_table
from flows.publish import publish_and_show
from flows.scheduled import due_session, remember_run, run_name
from models.errors import LeaseError
from settings import open_home
from store.home import Home
from store.lease import lease
from tasks.factors import SESSIONS_PER_BATCH, Tracked, chart, find_untracked, list_tracked, track_sessions
from tasks.runs import record_process

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

    Safe to repeat. What waits is what was not tracked yet, whose bars were corrected or whose values came late since.
    Where nothing waits, a session asked for by name is tracked again, which also restores a file that was lost.
    """
    log = get_run_logger()
    opened = open_home(home)
    if session is not None and session not in opened.sessions:
        log.info("%s is not a session: nothing to track", session)
        return []
    done = track_waiting(opened, due_session(opened) if session is None else session, again=session)
    if done:
        publish_and_show(opened)
    return [{"session": str(each.session), "factors": each.factors, "measured": each.measured} for each in done]


def track_waiting(home: Home, through: date, again: date | None = None) -> list[Tracked]:
    """Track what waits as a step of the calling flow, or `again` where nothing does, and show what came out.

    Nothing is done while another run does it.
    """
    log = get_run_logger()
    try:
        with lease(home.ledger, LEASE):
            due = list(find_untracked(home, through, again).items())
            batches = [
                dict(due[start : start + SESSIONS_PER_BATCH]) for start in range(0, len(due), SESSIONS_PER_BATCH)
            ]
            done = [each for batch in batches for each in track_sessions(home, batch)]
    except LeaseError as error:
        log.warning("another run is tracking: %s", error)
        return []
    if done:
        log.info("tracked %d sessions through %s", len(done), done[-1].session)
        rows = list_tracked(home, done[-1].session)
        show_table(rows, LEASE, description=f"Out-of-sample IC, {done[-1].session}")
        create_markdown_artifact(chart(home, rows), key="factor-ic", description="The last ICs of each factor")
    return done
