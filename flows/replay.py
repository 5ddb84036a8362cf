"""Replay flow: the whole daily lifecycle, session by session, under the simulated clock.

One flow with one task a session, in which the stages are plain calls: a Prefect flow run costs a second, a task ten
milliseconds and more, and a session has half a dozen stages.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from countersign.domain.signals.replay import pass_over
from countersign.flows.artifacts import show_table
from countersign.flows.evaluation import evaluate_waiting
from countersign.flows.factors import track_waiting
from countersign.flows.publish import publish_and_show
from countersign.flows.runners import THREADS
from countersign.flows.runs import record_process
from countersign.flows.settlement import LEASE, SettlementOutcome, settle_in_order
from countersign.models.errors import ConflictError, HeldError
from countersign.models.timetable import TIMETABLE
from countersign.services.attestation.seal_and_push import be_sealer, have_sealer
from countersign.services.operations.replay import read_strategies, set_clock, submit_portfolios, submit_signals
from countersign.services.settlement.settled import due_sessions
from countersign.settings import open_home
from countersign.store.home import Home
from countersign.store.ledger.leases import lease
from countersign.tasks.replay import open_strategies, prepare_signals, remaining_sessions

# A process for the sealer takes three seconds of processor time to start.
SESSIONS_WORTH_A_PROCESS = 20
SETTLED_AT = next(slot.at for slot in TIMETABLE if slot.stage == "settle")


@flow(
    name="replay",
    flow_run_name="replay {since} to {until}",
    on_running=[record_process],
    task_runner=THREADS,
)
def replay(
    since: date,
    until: date,
    strategies: Path | None = None,
    signals: Path | None = None,
    home: Path | None = None,
) -> dict[str, Any]:
    """Replay the sessions from `since` to `until`: signals before each deadline, settlement after each close.

    Goes on where an earlier replay stopped. HeldError at the first session that the quality gate holds: the sessions
    settled before it stay. ConflictError on a home with the system clock. `passed_over` in the result counts the rows
    of `signals` that no session asked for; it is there if there are any.
    """
    opened = open_home(home)
    if not opened.clock.simulated:
        raise ConflictError(f"{opened.path}: a replay needs a home with the simulated clock; this one has the system's")
    days = remaining_sessions(opened, since, until)
    terms = read_strategies(strategies) if strategies and days else []
    outcomes: list[SettlementOutcome] = []
    taken = 0
    sealer = have_sealer if len(days) >= SESSIONS_WORTH_A_PROCESS else be_sealer
    with (
        lease(opened.ledger, LEASE),
        sealer(opened) as seal,
        TemporaryDirectory(dir=opened.path) as folder,
        _progress(len(days)) as advance,
    ):
        # Both files are read before anything is done: a faulty one changes nothing.
        prepared = prepare_signals(signals, Path(folder)) if signals else None
        if terms:
            set_clock(opened, days[0], datetime.min.time())
            open_strategies(opened, terms, opened.clock.now())
        for session in days:
            count, settled = replay_session(opened, prepared.path if prepared else None, session, seal)
            taken += count
            outcomes += settled
            advance(session)
    evaluate_waiting(opened, until)
    track_waiting(opened, until)
    publish_and_show(opened)
    rows = [outcome.row() for outcome in reversed(outcomes)]
    if rows:
        show_table(rows, "replay", description=f"Replayed {since} to {until}, newest first")
    done: dict[str, Any] = {"sessions": len(days), "signals": taken, "settled": len(outcomes)}
    passed = pass_over(prepared.rows if prepared else {}, since, until, opened.sessions.between(since, until))
    return {**done, "passed_over": passed} if passed else done


@task(cache_policy=NO_CACHE, persist_result=False, task_run_name="replay {session}")
def replay_session(
    home: Home, signals: Path | None, session: date, seal: Callable[[datetime], object]
) -> tuple[int, list[SettlementOutcome]]:
    """Replay one session: submit and seal, settle, disclose; return the count of signals taken, and the outcome.

    HeldError if the quality gate holds it.
    """
    taken = submit_portfolios(home, session, seal)
    taken += submit_signals(home, signals, session, seal) if signals else 0
    set_clock(home, session, SETTLED_AT)
    with home.ledger.read() as db:
        due = due_sessions(db, home.sessions, session)
    outcomes = list(settle_in_order(home, due, as_tasks=False))
    for outcome in outcomes:
        if outcome.held:
            raise HeldError(f"{outcome.session} is held: {'; '.join(outcome.held)}")
    seal(home.clock.now())
    return taken, outcomes


@contextmanager
def _progress(total: int) -> Iterator[Callable[[date], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr)) as progress:
        bar = progress.add_task("replay", total=total)

        def advance(session: date) -> None:
            progress.update(bar, advance=1, description=f"replay {session}")

        yield advance
