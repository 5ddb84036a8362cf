"""Evaluation flow: scores every strategy as of every settled session that waits, and shows the ranking."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact

from countersign.flows.artifacts import show_table
from countersign.flows.publish import publish_and_show
from countersign.flows.runs import record_process
from countersign.flows.scheduled import remember_run, run_name, session_of_run
from countersign.models.errors import LeaseError
from countersign.services.evaluation.evaluate import SESSIONS_PER_BATCH, Evaluated
from countersign.services.settlement.settled import settlement_of
from countersign.settings import open_home
from countersign.store.home import Home
from countersign.store.ledger.chunks import chunked
from countersign.store.ledger.leases import lease
from countersign.tasks.evaluation import count_scores, evaluate_sessions, find_unevaluated, rank

LEASE = "evaluate"
BAR_WIDTH = 40


@flow(
    name="daily_evaluation",
    flow_run_name=run_name("evaluate"),
    on_running=[record_process],
    on_completion=[remember_run],
    on_failure=[remember_run],
)
def daily_evaluation(session: date | None = None, home: Path | None = None) -> list[dict[str, Any]]:
    """Evaluate all settled sessions that wait, up to `session` (default: the newest closed one). Safe to repeat.

    An evaluated session asked for by name is evaluated again, which also restores a file that was lost. A session waits
    if it was settled or corrected since its last evaluation; a session that is not settled is passed over.
    """
    opened = open_home(home)
    due = session_of_run(opened, session)
    if due is None:
        return []
    done = evaluate_waiting(opened, due, again=session)
    if done:
        publish_and_show(opened)
    return [{"session": str(each.session), "strategies": each.strategies, "scored": each.scored} for each in done]


def evaluate_waiting(home: Home, through: date, again: date | None = None) -> list[Evaluated]:
    """Evaluate the sessions that wait as a step of the calling flow, or `again` where none does; show the scores.

    Nothing is done while another run does it.
    """
    log = get_run_logger()
    try:
        with lease(home.ledger, LEASE):
            due = find_unevaluated(home, through) or _settled(home, again)
            done = [each for batch in chunked(due, SESSIONS_PER_BATCH) for each in evaluate_sessions(home, batch)]
    except LeaseError as error:
        log.warning("another run is evaluating: %s", error)
        return []
    if done:
        log.info("evaluated %d sessions through %s", len(done), done[-1].session)
        _show(home, done[-1])
    return done


def _settled(home: Home, session: date | None) -> list[date]:
    with home.ledger.read() as db:
        return [session] if session and settlement_of(db, session) else []


def _show(home: Home, last: Evaluated) -> None:
    """Show the operator the best and the worst strategies, their changes, and the spread of the scores."""
    summary = f"{last.session}: {last.strategies} strategies, {last.scored} of them scored"
    rows = rank(home, last.session)
    if rows:
        show_table(rows, LEASE, description=f"Best and worst by score. {summary}")
        create_markdown_artifact(draw(count_scores(home, last.session)), key="scores", description=summary)


def draw(counts: Sequence[int]) -> str:
    """Draw the numbers of strategies by ten points of score as bars, in Markdown."""
    most = max(counts)
    bars = (
        f"{10 * n:3d} – {10 * n + 10:3d} {'█' * round(BAR_WIDTH * count / most)} {count}"
        for n, count in enumerate(counts)
    )
    return "\n".join(("```", *bars, "```"))
