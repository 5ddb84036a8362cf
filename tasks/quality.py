"""The quality gate at work: checks a session's bars in the lake, notifies the operator, and makes the report."""

from datetime import date, datetime
from pathlib import Path

from countersign.models.tables.market import QualityReport
from countersign.services.settlement import quality as service
from countersign.store.home import Home
from countersign.tasks.stage import stage_task


@stage_task(task_run_name="check {session}")
def check_quality(home: Home, session: date, now: datetime) -> QualityReport:
    """Check a session's bars and record the verdict. Safe to repeat."""
    return service.check_quality(home, session, now)


@stage_task(retries=2, retry_delay_seconds=[10, 60], task_run_name="report on {session}")
def make_report(home: Home, session: date, now: datetime) -> Path:
    """Make the page and the JSON on a session's bars as they are now, unless both are there; return the page."""
    return service.make_report(home, session, now)
