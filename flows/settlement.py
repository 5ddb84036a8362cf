"""Settlement flow: settles every session that waits, oldest first, and publishes the new ones."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, unmapped

from countersign.flows.artifacts import show_table
from countersign.flows.publish import publish_and_show
from countersign.flows.runners import THREADS
from countersign.flows.runs import record_process
from countersign.flows.scheduled import remember_run, run_name, session_of_run
from countersign.models.errors import CountersignError, InputError, LeaseError
from countersign.services.settlement.settle import Chunk, OnHold
from countersign.settings import open_home
from countersign.store.home import Home
from countersign.store.ledger.leases import lease
from countersign.tasks.attestation import seal
from countersign.tasks.settlement import commit_session, find_due_sessions, plan_session, settle_chunk

LEASE = "settle"


@dataclass(frozen=True)
class SettlementOutcome:
    """Outcome of one session: settled (with figures), or held (with reasons)."""

    session: date
    held: tuple[str, ...] = ()
    chunks: tuple[Chunk, ...] = ()

    def row(self) -> dict[str, Any]:
        """Return the figures as an operator reads them."""
        if self.held:
            return {"session": self.session.isoformat(), "state": "held", "detail": "; ".join(self.held)}
        refused = sum((Counter(chunk.refused) for chunk in self.chunks), Counter[str]())
        best = max((chunk.best for chunk in self.chunks if chunk.best), default=None)
        worst = min((chunk.worst for chunk in self.chunks if chunk.worst), default=None)
        return {
            "session": self.session.isoformat(),
            "state": "settled",
            "strategies": sum(chunk.strategies for chunk in self.chunks),
            "rebalanced": sum(chunk.rebalanced for chunk in self.chunks),
            "orders": sum(chunk.orders for chunk in self.chunks),
            "refused": ", ".join(f"{reason} {count}" for reason, count in sorted(refused.items())),
            "best": f"{best[1]} {best[0]:+.2%}" if best else "",
            "worst": f"{worst[1]} {worst[0]:+.2%}" if worst else "",
        }


@flow(
    name="settle_all_active_strategies",
    flow_run_name=run_name("settle"),
    on_running=[record_process],
    on_completion=[remember_run],
    on_failure=[remember_run],
    task_runner=THREADS,
)
def settle_all_active_strategies(session: date | None = None, home: Path | None = None) -> list[dict[str, Any]]:
    """Settle all sessions that wait, up to `session` (default: the newest closed one), oldest first. Safe to repeat.

    A settled session asked for by name is settled again and found equal, which also restores a file that was lost. A
    session that the quality gate holds leaves the later ones waiting, and says so. InputError for one that has not
    closed: its deadlines may be open still.
    """
    log = get_run_logger()
    opened = open_home(home)
    through = session_of_run(opened, session)
    if through is None:
        return []
    if through > opened.sessions.newest_closed(opened.clock.now()):
        raise InputError("session", "one that has closed", through)
    try:
        with lease(opened.ledger, LEASE):
            due = find_due_sessions(opened, through) or ([session] if session else [])
            outcomes = list(settle_in_order(opened, due))
    except LeaseError as error:
        log.warning("another run is settling: %s", error)
        return []
    rows = [outcome.row() for outcome in outcomes]
    for row in rows:
        log.info("%s", row)
    if rows:
        show_table(rows, LEASE, description=f"Settled through {through}")
    if any(not outcome.held for outcome in outcomes):
        disclose(opened)
        publish_and_show(opened)
    return rows


def disclose(home: Home) -> None:
    """Disclose settled sessions in the journal, so that the lens has their commits; no failure of that stops the day.

    The sealer tries again after a failure here, and after it the watchdog.
    """
    try:
        seal(home)
    except CountersignError as error:
        get_run_logger().error("not disclosed yet: %s", error)


def settle_in_order(
    home: Home, sessions: Iterable[date], *, correct: date | None = None, as_tasks: bool = True
) -> Iterator[SettlementOutcome]:
    """Settle sessions one after the other; end at the first that is held. The caller holds the lease.

    `correct` is the one of them, settled before, that takes the market which counts now. The stages are Prefect tasks,
    or plain calls where the caller is a task itself.
    """
    for session in sessions:
        decide = plan_session if as_tasks else plan_session.fn
        plan = decide(home, session, correct=session == correct)
        if isinstance(plan, OnHold):
            yield SettlementOutcome(session, held=plan.reasons)
            return
        if as_tasks:
            chunks = settle_chunk.task.map(unmapped(home), unmapped(plan), plan.chunks).result()
            commit_session(home, plan, chunks)
        else:
            with ThreadPoolExecutor(os.cpu_count()) as threads:
                chunks = list(threads.map(partial(settle_chunk.fn, home, plan), plan.chunks))
            commit_session.fn(home, plan, chunks)
        yield SettlementOutcome(session, chunks=tuple(chunks))
