"""Identity of a caller, by the key or token that a request carries."""

from typing import Annotated

from anyio import to_thread
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from countersign.api.app_state import AppState, State
from countersign.api.requests.limits import credential
from countersign.api.responses.errors import refuse
from countersign.models.tables.accounts import User
from countersign.services.accounts.accounts import KEY_PREFIX, authenticate_key

_bearer = HTTPBearer(auto_error=False, description="an access token, or an API key (csk_...)")
_header = APIKeyHeader(name="x-api-key", auto_error=False, description="an API key (csk_...)")
CHALLENGE = {"WWW-Authenticate": "Bearer"}


async def _known(
    request: Request,
    state: State,
    _bearer: Annotated[object, Security(_bearer)],
    _key: Annotated[object, Security(_header)],
) -> User:
    given = credential(request.scope)
    if not given:
        raise refuse(401, "Not authenticated", CHALLENGE)
    user = await to_thread.run_sync(_find, state, given)
    if user is None:
        state.limits.proved_bad(given)
        raise refuse(401, "Invalid token", CHALLENGE)
    state.limits.proved_good(given)
    return user


async def _account(user: Annotated[User, Depends(_known)]) -> User:
    require_enabled(user)
    return user


def require_enabled(user: User) -> None:
    """Raise the refusal of a disabled account."""
    if user.disabled_at is not None:
        raise refuse(403, "Account disabled")


def _find(state: AppState, given: str) -> User | None:
    claim = None if given.startswith(KEY_PREFIX) else state.tokens.read(given, "access")
    with state.home.ledger.read() as db:
        if claim is None:
            return authenticate_key(db, given) if given.startswith(KEY_PREFIX) else None
        user = db.get(User, claim.user_id)
        return user if user is not None and claim.holds_for(user) else None


Account = Annotated[User, Depends(_account)]
# Disabled or not: for tickets alone.
AnyAccount = Annotated[User, Depends(_known)]


def login_of(request: Request, state: AppState) -> str:
    """Return the login of a request's token. Refuses (403) an API key."""
    claim = state.tokens.read(credential(request.scope) or "", "access")
    if claim is None:
        raise refuse(403, "an API key may not do this: log in (POST /api/v1/auth/login) and send the access token")
    return claim.login


async def _owner(request: Request, state: State, user: Account) -> User:
    login_of(request, state)
    return user


# Proved by a login, not by a key.
Owner = Annotated[User, Depends(_owner)]


async def _admin(user: Account) -> User:
    if not user.is_admin:
        raise refuse(403, "For administrators")
    return user


Admin = Annotated[User, Depends(_admin)]
