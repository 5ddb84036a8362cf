"""Watchdog flow: finds missing work and repairs it by running the stage; raises the problems that it cannot repair."""

from datetime import date
from pathlib import Path
from typing import Any

from prefect import State, flow, get_run_logger

from countersign.flows.artifacts import show_table
from countersign.flows.attestation import attestation_retry
from countersign.flows.evaluation import daily_evaluation
from countersign.flows.factors import factor_os_tracking
from countersign.flows.market import market_data_ingest
from countersign.flows.portfolios import portfolio_signal_generation
from countersign.flows.publish import publish
from countersign.flows.quality import report_and_link
from countersign.flows.runs import reap_dead_runs, record_process
from countersign.flows.scheduled import remember_run, run_name, session_of_run
from countersign.flows.settlement import LEASE as SETTLING_LEASE
from countersign.flows.settlement import settle_all_active_strategies
from countersign.models.errors import CountersignError, LeaseError, SourceBusy
from countersign.models.problems import Repair, WatchdogProblem
from countersign.models.timetable import OTHER_FLOWS, TIMETABLE
from countersign.services.watchdog.checks import settled_elsewhere
from countersign.services.watchdog.quality_checks import unreported
from countersign.settings import open_home
from countersign.store.clock import wall_clock
from countersign.store.home import Home
from countersign.store.ledger.leases import is_held, lease
from countersign.tasks.digest_checks import check_in_turn, note_checked
from countersign.tasks.watchdog import alert_operator, find_problems, sweep_orphans

LEASE = "watchdog"
FLOW_NAMES = (*(slot.name for slot in TIMETABLE), *OTHER_FLOWS)


class UnrepairedError(CountersignError):
    """Problems that no stage could repair; the message lists them, and so do the notifications."""


@flow(
    name="settlement_watchdog",
    flow_run_name=run_name("watchdog"),
    on_running=[record_process],
    on_completion=[remember_run],
    on_failure=[remember_run],
)
def settlement_watchdog(session: date | None = None, home: Path | None = None) -> list[dict[str, Any]]:
    """Check all stages up to `session` (default: the newest closed one) and run those that repair a problem.

    Missed sessions are fetched and settled in order, however many there are. UnrepairedError, which fails the run, for
    the problems left, but not for sessions that another run is settling; each such problem is a notification too. Safe
    to repeat, and nothing is done while another run does it.
    """
    log = get_run_logger()
    opened = open_home(home)
    through = session_of_run(opened, session)
    if through is None:
        return []
    try:
        with lease(opened.ledger, LEASE):
            found, left = _watch(opened, through)
    except LeaseError as error:
        log.warning("another run is watching: %s", error)
        return []
    rows = [_row(problem, left) for problem in found]
    if rows:
        show_table(rows, "watchdog", description=f"What the watchdog found, {through}")
    errors = [problem.text for problem in left if not problem.warning]
    if errors:
        raise UnrepairedError(f"{len(errors)} matters could not be repaired: " + "; ".join(errors[:10]))
    return rows


def _watch(home: Home, through: date) -> tuple[list[WatchdogProblem], list[WatchdogProblem]]:
    """Find problems, repair them, look again, notify: return the problems found, and those left or new."""
    log = get_run_logger()
    for name in reap_dead_runs(FLOW_NAMES, wall_clock()):
        log.warning("run %s had lost its process: marked Crashed", name)
    check_in_turn(home)
    found = left = find_problems(home, through)
    for problem in found:
        log.warning("%s", problem.text)
    if any(problem.repair is not Repair.NONE for problem in found):
        repair(home, through, found)
        note_checked(home)
        # Asked before the second look: a settlement that ends in between is seen whole.
        elsewhere = is_held(home.ledger, SETTLING_LEASE)
        left = find_problems(home, through)
        if elsewhere:
            left = settled_elsewhere(left)
    alert_operator(home, left)
    return found, left


def repair(home: Home, through: date, problems: list[WatchdogProblem]) -> None:
    """Run the stages that the problems call for, each in the order of its sessions."""
    wanted = {problem.repair for problem in problems}
    if Repair.SWEEP in wanted:
        sweep_orphans(home)
    for session in _sessions(problems, Repair.INGEST):
        state = _attempt(market_data_ingest, session=session, home=home.path, patient=False, report=False)
        if state.is_failed() and isinstance(state.result(raise_on_failure=False), SourceBusy):
            break  # it would say so of the later ones too, which have to wait for this one anyway
    _run_again(settle_all_active_strategies, problems, Repair.SETTLE, "not settled", through, home)
    _run_again(daily_evaluation, problems, Repair.EVALUATE, "not evaluated", through, home)
    if Repair.SETTLE in wanted:
        _attempt(daily_evaluation, session=through, home=home.path)
    if wanted & {Repair.INGEST, Repair.TRACK}:
        _attempt(factor_os_tracking, session=through, home=home.path)
    for session in _sessions(problems, Repair.PORTFOLIOS):
        _attempt(portfolio_signal_generation, session=session, home=home.path)
    if Repair.SEAL in wanted:
        _attempt(attestation_retry, home=home.path)
    if wanted & {Repair.SETTLE, Repair.EVALUATE, Repair.TRACK, Repair.SEAL, Repair.PUBLISH}:
        _attempt(publish, home=home.path)
    for session in unreported(home, through):
        report_and_link(home, session, patient=False)


def _run_again(
    stage: Any, problems: list[WatchdogProblem], repair: Repair, waiting: str, through: date, home: Home
) -> None:
    """Run a stage for each session it repairs; those of the kind `waiting` it takes all at once, in their order."""
    due = {problem.session for problem in problems if problem.kind == waiting}
    for session in _sessions(problems, repair):
        if session not in due:
            _attempt(stage, session=session, home=home.path)
    if due:
        _attempt(stage, session=through, home=home.path)


def _attempt(stage: Any, **arguments: Any) -> State[Any]:
    """Run a stage; its failure is its own run's, and the second look finds the problems that it leaves."""
    state: State[Any] = stage(**arguments, return_state=True)
    if not state.is_completed():
        get_run_logger().error("%s %s: %s", stage.name, arguments.get("session", ""), state.message)
    return state


def _sessions(problems: list[WatchdogProblem], stage: Repair) -> list[date]:
    return sorted({problem.session for problem in problems if problem.repair is stage and problem.session})


def _row(problem: WatchdogProblem, left: list[WatchdogProblem]) -> dict[str, Any]:
    now = next((each for each in left if each.key == problem.key), None)
    state = "repaired" if now is None else "warning" if now.warning else "open"
    return {"problem": problem.kind, "what": problem.text, "repair": problem.repair.value, "state": state}
