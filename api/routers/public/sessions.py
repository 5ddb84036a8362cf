"""Router of the trading calendar."""

from calendar import monthrange
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query

from countersign.api.app_state import Now, State
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.responses.answers import Json
from countersign.api.responses.errors import invalid, problems
from countersign.domain.sessions import EXCHANGE_ZONE, Sessions
from countersign.models.errors import HorizonError
from countersign.models.wire.base import Day
from countersign.models.wire.public import DayAnswer, MonthAnswer

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/calendar", tags=["calendar"])

MONTH = r"^(19|20)[0-9]{2}-(0[1-9]|1[0-2])$"


@router.get("", response_model=MonthAnswer | DayAnswer, responses=problems())
def show_calendar(
    state: State,
    now: Now,
    month: Annotated[str | None, Query(pattern=MONTH, examples=["2026-05"])] = None,
    date: Annotated[Day | None, Query()] = None,
) -> Json:
    """List the sessions of a month, or say whether a date is one. Exactly one of the two must be asked for."""
    if (month is None) == (date is None):
        return invalid([("value_error", ("query", "month"), "expected either month or date")])
    sessions, today = state.home.sessions, now.astimezone(EXCHANGE_ZONE).date()
    return Json(_day(sessions, date, today) if date else _month(sessions, str(month), today))


def _day(sessions: Sessions, day: date, today: date) -> dict[str, Any]:
    return {"date": day, "is_trading_day": day in sessions, "next_trading_day": _next(sessions, day), "today": today}


def _month(sessions: Sessions, month: str, today: date) -> dict[str, Any]:
    first = date.fromisoformat(f"{month}-01")
    days = sessions.between(first, first + timedelta(days=monthrange(first.year, first.month)[1] - 1))
    known = today <= sessions.known_until
    return {
        "month": month,
        "trading_days": days,
        "count": len(days),
        "today": today,
        "today_is_trading_day": today in sessions if known else None,
        "next_trading_day": _next(sessions, today),
    }


def _next(sessions: Sessions, day: date) -> date | None:
    try:
        return sessions.next(day)
    except HorizonError:
        return None
