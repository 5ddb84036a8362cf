"""Router of API keys and tiers."""

from typing import Any

from fastapi import APIRouter

from api.answers import Json
from api.errors import not_found, problems
from api.identity import Account
from api.paging import Id, number_of
from api.state import Here, Now
from models.enums import Universe
from models.users import TIERS, ApiKey
from models.wire.accounts import KeyRequest, KeysAnswer, NewKeyAnswer, TierAnswer, TiersAnswer
from models.wire.base import Deleted
from store.accounts import KEY_PREFIX, create_key, list_keys, revoke_key

router = APIRouter(prefix="/api/v1/billing", tags=["billing"])


@router.get("/api-keys", response_model=KeysAnswer, responses=problems(401, 403))
def keys(here: Here, user: Account) -> Json:
    """List one's active keys."""
    with here.home.ledger.read() as db:
        return Json({"api_keys": [_shape(key) for key in list_keys(db, user.id)]})


@router.post("/api-keys", status_code=201, response_model=NewKeyAnswer, responses=problems(401, 403))
def new_key(here: Here, user: Account, now: Now, body: KeyRequest) -> Json:
    """Make a key. It is shown this once, and good until it is revoked."""
    with here.home.ledger.write() as db:
        key, text = create_key(db, user.id, body.name, now)
    return Json({"api_key": text, **_shape(key)}, 201)


@router.delete("/api-keys/{key_id}", response_model=Deleted, responses=problems(401, 403, 404))
def revoke(here: Here, user: Account, now: Now, key_id: Id) -> Json:
    """Revoke a key, at once and for good."""
    with here.home.ledger.write() as db:
        if not revoke_key(db, user.id, number_of(key_id), now):
            raise not_found("API key")
    return Json({"deleted": True})


@router.get("/tier", response_model=TierAnswer, responses=problems(401, 403))
async def tier(user: Account) -> Json:
    """Show one's tier."""
    return Json(_tier(user.tier))


@router.get("/tiers", response_model=TiersAnswer, responses=problems())
async def tiers() -> Json:
    """List all tiers."""
    return Json({"tiers": [_tier(name) for name in TIERS]})


def _tier(name: str) -> dict[str, Any]:
    return {"tier": name, "max_strategies": TIERS[name], "strategy_universes": [str(word) for word in Universe]}


def _shape(key: ApiKey) -> dict[str, Any]:
    masked = f"{KEY_PREFIX}...{key.last_four}"
    return {"id": str(key.id), "name": key.name, "masked": masked, "created_at": key.created_at}
