"""Correction flow: settles a session again from bars, levels and actions that changed, and all that rests on it."""

from datetime import date
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger

from countersign.flows.artifacts import show_table
from countersign.flows.evaluation import evaluate_waiting
from countersign.flows.publish import publish_and_show
from countersign.flows.runners import THREADS
from countersign.flows.runs import record_process
from countersign.flows.scheduled import due_session
from countersign.flows.settlement import LEASE, disclose, settle_in_order
from countersign.models.errors import RefusedError
from countersign.settings import open_home
from countersign.store.home import Home
from countersign.store.ledger.leases import lease
from countersign.tasks.correction import describe_corrections, find_changes


@flow(name="correct_settlement", flow_run_name="correct {session}", on_running=[record_process], task_runner=THREADS)
def correct_settlement(session: date, home: Path | None = None) -> list[dict[str, Any]]:
    """Settle a session in a new version from the market that counts now, and every later one on top of it.

    All of them are evaluated, disclosed and published together at the end. A session whose market is unchanged is left
    as it is; after a crash, the same call completes what it began. InputError for a session that is not settled,
    RefusedError if the quality gate holds its bars: nothing was changed then.
    """
    log = get_run_logger()
    opened = open_home(home)
    with lease(opened.ledger, LEASE):
        again = correct(opened, session)
    evaluate_waiting(opened, due_session(opened))
    disclose(opened)
    publish_and_show(opened)
    rows = describe_corrections(opened, again) if again else [_unchanged(session)]
    for row in rows:
        log.info("%s", row)
    show_table(rows, "corrections", description=f"Correction of {session}")
    return rows


def correct(home: Home, session: date) -> list[date]:
    """Settle the sessions left by an earlier correction, then correct the session; return all settled, in order.

    The caller holds the lease.
    """
    waiting = list(find_changes(home, session).waiting)
    if waiting:
        list(settle_in_order(home, waiting))
    found = find_changes(home, session)
    if not found.changed:
        return waiting
    for outcome in settle_in_order(home, [session, *found.later], correct=session):
        if outcome.held:
            raise RefusedError(f"{session} is not corrected, nothing was changed: {'; '.join(outcome.held)}")
    return sorted({*waiting, session, *found.later})


def _unchanged(session: date) -> dict[str, Any]:
    detail = "bars, index levels and corporate actions are those it was settled with"
    return {"session": session.isoformat(), "state": "unchanged", "detail": detail}
