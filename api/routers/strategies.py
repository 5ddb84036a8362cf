"""Router of strategies: opening them, changing their changeable terms, retiring them."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query

from countersign.api.app_state import Now, State
from countersign.api.identity import Account
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.responses.answers import Json
from countersign.api.responses.errors import not_found, problems, refuse
from countersign.api.responses.paging import Limit, Offset, Slug
from countersign.models.enums import StrategyStatus
from countersign.models.errors import ConflictError, RefusedError
from countersign.models.tables.accounts import User
from countersign.models.tables.operations import account
from countersign.models.tables.strategies import Strategy, StrategyTerms
from countersign.models.terms import SLUG_PATTERN
from countersign.models.wire.strategies import NewStrategy, StrategiesAnswer, StrategyAnswer, StrategyChange
from countersign.services.accounts.accounts import require_room
from countersign.services.signals.owner_signatures import require_key_may_change
from countersign.services.strategies import lifecycle
from countersign.services.strategies.lifecycle import change_status, find_strategy, open_strategy
from countersign.store.ledger.ledger import Transaction

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/strategies", tags=["strategies"])

FIELDS = tuple(StrategyAnswer.model_fields)


@router.post("", status_code=201, response_model=StrategyAnswer, responses=problems(401, 403, 409))
def create_strategy(state: State, user: Account, now: Now, body: NewStrategy) -> Json:
    """Open a strategy. It is pending until its first signal."""
    terms = StrategyTerms(**body.model_dump())
    with state.home.ledger.write() as db:
        if find_strategy(db, terms.slug) is not None:
            raise ConflictError(f"slug: {terms.slug} is taken")
        try:
            require_room(db, user)
        except RefusedError as error:
            raise refuse(403, str(error)) from None
        strategy = open_strategy(db, user, terms, now)
    state.public_index.forget()
    return Json(shape(strategy), 201)


@router.get("", response_model=StrategiesAnswer, responses=problems(401, 403))
def list_strategies(
    state: State,
    user: Account,
    status: Annotated[StrategyStatus | None, Query(examples=["active"])] = None,
    limit: Limit = 200,
    offset: Offset = 0,
) -> Json:
    """List one's strategies: all of them, retired ones too, unless a status is asked for."""
    with state.home.ledger.read() as db:
        found = lifecycle.list_strategies(db, user, status, limit=limit, offset=offset)
    return Json({"strategies": [shape(strategy) for strategy in found]})


@router.get("/{slug}", response_model=StrategyAnswer, responses=problems(401, 403, 404))
def show_strategy(state: State, user: Account, slug: Slug) -> Json:
    """Show one of one's strategies."""
    with state.home.ledger.read() as db:
        return Json(shape(own_strategy(db, user, slug)))


@router.patch("/{slug}", response_model=StrategyAnswer, responses=problems(401, 403, 404))
def change_strategy(state: State, user: Account, now: Now, slug: Slug, body: StrategyChange) -> Json:
    """Change name, description, status or is_public, and `owner_key` until the first signal; all else is immutable."""
    with state.home.ledger.write() as db:
        found = own_strategy(db, user, slug)
        if body.status is not None:
            if found.status == StrategyStatus.PENDING and body.status is StrategyStatus.ACTIVE:
                raise RefusedError(f"status: {slug} is pending and becomes active with its first signal")
            change_status(db, found, body.status, now, actor=account(user.id))
        if "owner_key" in body.model_fields_set:
            require_key_may_change(db, found)
        for name in body.model_fields_set - {"status"}:
            setattr(found, name, getattr(body, name))
        db.add(found)
    state.public_index.forget()
    return Json(shape(found))


@router.delete("/{slug}", response_model=StrategyAnswer, responses=problems(401, 403, 404))
def retire_strategy(state: State, user: Account, now: Now, slug: Slug) -> Json:
    """Retire a strategy, for good. Its record stays."""
    with state.home.ledger.write() as db:
        found = own_strategy(db, user, slug)
        change_status(db, found, StrategyStatus.RETIRED, now, actor=account(user.id))
    state.public_index.forget()
    return Json(shape(found))


def own_strategy(db: Transaction, user: User, slug: str) -> Strategy:
    """Return the user's strategy of that slug; other people's are not found."""
    found = find_strategy(db, slug) if is_slug(slug) else None
    if found is None or found.owner_id != user.id:
        raise not_found("Strategy")
    return found


def is_slug(text: str) -> bool:
    """Whether a strategy may have this slug; PostgreSQL would not even look for one with a NUL."""
    return re.fullmatch(SLUG_PATTERN, text) is not None


def shape(strategy: Strategy) -> dict[str, Any]:
    """Return a strategy as it goes over the wire."""
    return {name: getattr(strategy, name) for name in FIELDS}
