"""Market flow: fetches a session's bars and index levels, checks them, and shows the findings."""

from datetime import date
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger

from countersign.flows.artifacts import show_table
from countersign.flows.quality import report_and_link
from countersign.flows.runs import record_process
from countersign.flows.scheduled import remember_run, run_name, session_of_run
from countersign.models.errors import LeaseError
from countersign.services.settlement.quality import finding_rows
from countersign.settings import load_settings, open_home
from countersign.sources.market.providers import MarketProvider, open_provider
from countersign.store.home import Home
from countersign.store.ledger.leases import lease
from countersign.tasks.instruments import ingest_instruments
from countersign.tasks.market import ingest
from countersign.tasks.quality import check_quality

DROP_FOLDER = "drop"


@flow(
    name="market_data_ingest",
    flow_run_name=run_name("ingest"),
    on_running=[record_process],
    on_completion=[remember_run],
    on_failure=[remember_run],
)
def market_data_ingest(
    session: date | None = None, home: Path | None = None, *, patient: bool = True, report: bool = True
) -> dict[str, Any]:
    """Fetch, check and commit the market of `session` (default: the newest closed one). Safe to repeat.

    Without a provider nothing is fetched, and the session's bars in the lake are checked. A session that the quality
    gate holds is no failure of this flow: the verdict says so, and settlement waits. A source that is busy is asked
    again for half an hour, or not at all unless `patient`. The report comes last, when the bars count and the lease is
    given back, and its failure fails nothing; a caller that goes on to settle leaves it out and makes it afterwards.
    """
    log = get_run_logger()
    opened = open_home(home)
    due = session_of_run(opened, session)
    if due is None:
        return {}
    provider = configured_provider(opened)
    try:
        with lease(opened.ledger, f"ingest {due}"):
            if provider is None:
                log.info("no market_provider is set: checking what the lake has of %s", due)
            else:
                fetch = ingest if patient else ingest.task.with_options(retries=0)
                for imported in fetch(opened, provider, due, opened.clock.now()):
                    news = "new" if imported.changed else "known"
                    log.info("%s of %s: %d rows, %s", imported.what, due, imported.rows, news)
                    for remark in imported.remarks:
                        log.warning("%s of %s: %s", imported.what, due, remark)
                _ingest_instruments(opened, provider, due)
            checked = check_quality(opened, due, opened.clock.now())
    except LeaseError as error:
        log.warning("another run is at it: %s", error)
        return {}
    log.info("bars of %s: %s", due, checked.verdict)
    show_table(finding_rows(checked), "quality", description=f"Bars of {due}: {checked.verdict}")
    if report:
        report_and_link(opened, due, patient=patient)
    return {"session": due.isoformat(), "verdict": checked.verdict, "report": checked.report}


def _ingest_instruments(home: Home, provider: MarketProvider, due: date) -> None:
    """Fetch the instruments with the day's market. Bars come first: a failure here is a warning."""
    log = get_run_logger()
    state = ingest_instruments.task(home, provider, due, home.clock.now(), return_state=True)
    if state.is_completed():
        log.info("instruments: %d new or different", state.result())
    else:
        log.warning("no instruments of %s: %s", due, state.message)


def configured_provider(home: Home) -> MarketProvider | None:
    """Open the provider that the home's settings name, None for `none`."""
    settings = load_settings(home.path)
    if settings.market_provider == "none":
        return None
    return open_provider(
        settings.market_provider,
        folder=settings.market_folder or home.path / DROP_FOLDER,
        token=settings.tushare_token.get_secret_value() if settings.tushare_token else None,
        url=settings.tushare_url,
    )
