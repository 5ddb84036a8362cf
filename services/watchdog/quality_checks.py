"""Quality checks of the watchdog: sessions that were checked and whose report is not there, or is on other bars."""

from datetime import date

from sqlmodel import col, select

from countersign.models.problems import Repair, WatchdogProblem
from countersign.models.tables.market import QualityReport
from countersign.services.settlement.quality_reports import facts_of, report_path
from countersign.store.home import Home

# A report is read soon, or never: older ones are not looked for.
NEWEST = 20


def missing_reports(home: Home, session: date) -> list[WatchdogProblem]:
    """Sessions without their report. A warning, which fails nothing: settlement does not need it."""
    return [
        WatchdogProblem(
            "no quality report", str(day), f"{day} has no report on its bars", Repair.REPORT, day, warning=True
        )
        for day in unreported(home, session)
    ]


def unreported(home: Home, through: date) -> list[date]:
    """Find the sessions up to `through` without a report on the bars that were checked, oldest first."""
    query = (
        select(QualityReport)
        .where(col(QualityReport.session) <= through)
        .order_by(col(QualityReport.session).desc())
        .limit(NEWEST)
    )
    with home.ledger.read() as db:
        checked = {report.session: report.bars_sha256 for report in db.exec(query)}
    return sorted(day for day, bars in checked.items() if not _is_reported(home, day, bars))


def _is_reported(home: Home, session: date, bars_sha256: str) -> bool:
    page = home.path / report_path(session)
    return page.exists() and facts_of(page.with_suffix(".json")).get("bars_sha256") == bars_sha256
