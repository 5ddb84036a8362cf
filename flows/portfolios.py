"""Portfolio flow: before the market opens, every active multi-factor portfolio gets its signal."""

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger

from countersign.flows.artifacts import show_table
from countersign.flows.runs import record_process
from countersign.flows.scheduled import due_today, remember_run, run_name
from countersign.models.errors import LeaseError
from countersign.settings import open_home
from countersign.store.ledger.leases import lease
from countersign.tasks.attestation import seal
from countersign.tasks.portfolios import make_signals

LEASE = "portfolios"


@flow(
    name="portfolio_signal_generation",
    flow_run_name=run_name("portfolio signals", due_today),
    on_running=[record_process],
    on_completion=[remember_run],
    on_failure=[remember_run],
)
def portfolio_signal_generation(session: date | None = None, home: Path | None = None) -> list[dict[str, Any]]:
    """Make the signals of all active portfolios for `session` (default: today), and seal them. Safe to repeat.

    Nothing is done while another run does it. An unchanged signal makes no new revision. From 09:15 on nothing is
    submitted: the owners of portfolios without a signal are notified.
    """
    log = get_run_logger()
    opened = open_home(home)
    today = session or due_today(opened)
    if today is None or today not in opened.sessions:
        log.info("%s is not a session: no signals", today or "today")
        return []
    try:
        with lease(opened.ledger, LEASE):
            made = make_signals(opened, today, opened.clock.now())
    except LeaseError as error:
        log.warning("another run is making the signals: %s", error)
        return []
    if any(each.news for each in made):
        seal(opened)
    rows = [asdict(each) | {"session": str(today)} for each in made]
    if rows:
        count = sum(each.revision is not None for each in made)
        log.info("%s: %d of %d portfolios have a signal", today, count, len(made))
        show_table(rows, "portfolio-signals", description=f"{today}: {count} of {len(made)} portfolios have a signal")
    return rows
