"""Correction tasks: compare a settled session's market with the current one, and describe corrections."""

from collections.abc import Collection
from datetime import date
from typing import Any

from countersign.services.settlement import correct as service
from countersign.services.settlement.correct import CorrectionStatus
from countersign.store.home import Home
from countersign.tasks.stage import stage_task


@stage_task()
def find_changes(home: Home, session: date) -> CorrectionStatus:
    """Compare a session's market with the one it was settled with. InputError for one that is not settled."""
    return service.find_changes(home, session)


@stage_task()
def describe_corrections(home: Home, sessions: Collection[date]) -> list[dict[str, Any]]:
    """List the audit log's lines on the newest versions of corrected sessions, in order."""
    return service.describe_corrections(home, sessions)
