"""Router of health."""

from fastapi import APIRouter

from api.answers import Json
from api.errors import problems
from api.json_bodies import StrictRoute
from api.state import Here, Now
from models.wire.public import HealthAnswer
from store.settlements import settled_through

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/health", tags=["health"])


@router.get("", response_model=HealthAnswer, responses=problems())
def health(here: Here, now: Now) -> Json:
    """Say that the platform is up and its ledger answers, by which clock it lives, and how far it is settled."""
    with here.home.ledger.read() as db:
        through = settled_through(db)
    return Json({"status": "ok", "simulated": here.simulated, "now": now, "settled_through": through})
