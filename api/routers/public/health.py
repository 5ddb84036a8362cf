"""Router of health."""

from fastapi import APIRouter

from countersign.api.app_state import Now, State
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.responses.answers import Json
from countersign.api.responses.errors import problems
from countersign.models.wire.public import HealthAnswer
from countersign.services.settlement.settled import settled_through

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/health", tags=["health"])


@router.get("", response_model=HealthAnswer, responses=problems())
def show_health(state: State, now: Now) -> Json:
    """Say that the platform is up and its ledger answers, by which clock it lives, and how far it is settled."""
    with state.home.ledger.read() as db:
        through = settled_through(db)
    return Json({"status": "ok", "simulated": state.simulated, "now": now, "settled_through": through})
