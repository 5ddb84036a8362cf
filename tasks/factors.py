"""Factor tasks: the out-of-sample IC of all active factors, a few sessions at a time, and tables of it."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from countersign.services.factors import track as service
from countersign.services.factors.track import Tracked
from countersign.store.home import Home
from countersign.tasks.stage import stage_task


@stage_task()
def find_untracked(home: Home, through: date) -> dict[date, str]:
    """Map the sessions to track to their runs, oldest first: those that wait, and those that lost their file."""
    return service.find_untracked(home, through)


@stage_task()
def track_sessions(home: Home, due: Mapping[date, str]) -> list[Tracked]:
    """Track sessions, and write the means that they lead to; all of it is committed at once."""
    return service.track_sessions(home, due)


@stage_task()
def list_tracked(home: Home, session: date) -> list[dict[str, Any]]:
    """List the active factors with their IC at a tracked session, the largest mean of 60 sessions first."""
    return service.list_tracked(home, session)


@stage_task()
def chart(home: Home, rows: list[dict[str, Any]]) -> str:
    """Draw the last ICs of the first of these factors as bars from −1 to 1 of their largest, in Markdown."""
    return service.chart(home, rows)
