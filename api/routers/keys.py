"""Router of API keys and tiers."""

from datetime import datetime
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request

from countersign.api.app_state import AppState, Now, State
from countersign.api.identity import Account, Owner
from countersign.api.proof import require_password
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.responses.answers import Json
from countersign.api.responses.errors import not_found, problems
from countersign.api.responses.paging import Id, number_of
from countersign.models.enums import Universe
from countersign.models.tables.accounts import TIERS, ApiKey
from countersign.models.wire.accounts import (
    KeyRequest,
    KeyRevocation,
    KeysAnswer,
    NewKeyAnswer,
    TierAnswer,
    TiersAnswer,
)
from countersign.models.wire.base import Deleted
from countersign.services.accounts import accounts
from countersign.services.accounts.accounts import KEY_PREFIX
from countersign.services.notifications.addresses import delete_addresses_of_key

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/billing", tags=["billing"])


@router.get("/api-keys", response_model=KeysAnswer, responses=problems(401, 403))
def list_keys(state: State, user: Account) -> Json:
    """List one's active keys."""
    with state.home.ledger.read() as db:
        return Json({"api_keys": [_shape(key) for key in accounts.list_keys(db, user.id)]})


@router.post("/api-keys", status_code=201, response_model=NewKeyAnswer, responses=problems(401, 403))
async def create_key(request: Request, state: State, user: Owner, now: Now, body: KeyRequest) -> Json:
    """Make a key. It is shown this once, and good until it is revoked.

    Takes an access token, and the current password where the account has one.
    """
    await require_password(state, request, user, body.current_password)
    key, text = await to_thread.run_sync(_create, state, user.id, body.name, now)
    return Json({"api_key": text, **_shape(key)}, 201)


@router.delete("/api-keys/{key_id}", response_model=Deleted, responses=problems(401, 403, 404))
async def revoke_key(
    request: Request, state: State, user: Owner, now: Now, key_id: Id, body: KeyRevocation | None = None
) -> Json:
    """Revoke a key, at once and for good. Its streams end, and the addresses that were added with it are deleted.

    Takes an access token, and the current password where the account has one.
    """
    await require_password(state, request, user, body.current_password if body else None)
    if not await to_thread.run_sync(_revoke, state, user.id, number_of(key_id), now):
        raise not_found("API key")
    return Json({"deleted": True})


@router.get("/tier", response_model=TierAnswer, responses=problems(401, 403))
async def show_tier(user: Account) -> Json:
    """Show one's tier."""
    return Json(_tier(user.tier))


@router.get("/tiers", response_model=TiersAnswer, responses=problems())
async def list_tiers() -> Json:
    """List all tiers."""
    return Json({"tiers": [_tier(name) for name in TIERS]})


def _create(state: AppState, user_id: int, name: str, now: datetime) -> tuple[ApiKey, str]:
    with state.home.ledger.write() as db:
        return accounts.create_key(db, user_id, name, now)


def _revoke(state: AppState, user_id: int, key_id: int, now: datetime) -> bool:
    with state.home.ledger.write() as db:
        delete_addresses_of_key(db, user_id, key_id)
        return accounts.revoke_key(db, user_id, key_id, now)


def _tier(name: str) -> dict[str, Any]:
    return {"tier": name, "max_strategies": TIERS[name], "strategy_universes": [str(word) for word in Universe]}


def _shape(key: ApiKey) -> dict[str, Any]:
    masked = f"{KEY_PREFIX}...{key.last_four}"
    return {"id": str(key.id), "name": key.name, "masked": masked, "created_at": key.created_at}
