"""Router of accounts: invitation, login, tokens, profile."""

from datetime import datetime
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request

from countersign.api.accounts.passwords import require_strong
from countersign.api.accounts.tokens import new_login
from countersign.api.app_state import AppState, Now, State
from countersign.api.identity import CHALLENGE, Account, login_of, require_enabled
from countersign.api.proof import proved, require_password
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.responses.answers import Json
from countersign.api.responses.errors import problems, refuse
from countersign.models.errors import InputError
from countersign.models.tables.accounts import User
from countersign.models.wire.accounts import (
    AccessAnswer,
    Invitation,
    Login,
    PasswordByCode,
    ProfileChange,
    RefreshRequest,
    TokensAnswer,
    UserAnswer,
)
from countersign.services.accounts import accounts
from countersign.services.accounts.accounts import accept_invite, find_by_email
from countersign.services.accounts.custody import find_by_code, use_password_code

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/auth", tags=["auth"])

ANONYMOUS_DOMAIN = "countersign.local"


@router.post("/invite", response_model=TokensAnswer, responses=problems())
def accept_invitation(state: State, now: Now, body: Invitation) -> Json:
    """Open a new anonymous account with an invite code. Each call opens another one, of the tier `free`."""
    with state.home.ledger.write() as db:
        user = accept_invite(db, body.invite_code, now)
    return Json(_tokens(state, user, new_login()))


@router.post("/login", response_model=TokensAnswer, responses=problems(401, 403))
async def login(request: Request, state: State, body: Login) -> Json:
    """Log in with e-mail and password."""
    user = await to_thread.run_sync(_by_email, state, body.email)
    if not await proved(state, request, user, body.password) or user is None:
        raise refuse(401, "Wrong e-mail or password", CHALLENGE)
    require_enabled(user)
    return Json(_tokens(state, user, new_login()))


@router.post("/password", response_model=TokensAnswer, responses=problems(403, 409))
async def set_password(state: State, now: Now, body: PasswordByCode) -> Json:
    """Set a password with a code that the operator gave out: for an account without any other way in.

    The code is good once, for 24 hours. All logins end but the one that comes of this; keys stay.
    """
    # Nothing dear is done, and nothing about the account said, for a code that is not good.
    user = await to_thread.run_sync(_by_code, state, body.code)
    require_enabled(user)
    if user.email is None and body.email is None:
        raise InputError("email", "an e-mail to log in with, such as me@example.com: this account has none")
    await to_thread.run_sync(require_strong, body.password, user.nickname, body.email or user.email or "")
    hashed = await state.passwords.hash(body.password)
    login = new_login()
    changed = await to_thread.run_sync(_set_by_code, state, body, hashed, login, now)
    return Json(_tokens(state, changed, login))


@router.post("/refresh", response_model=AccessAnswer, responses=problems(401, 403))
def refresh_token(state: State, body: RefreshRequest) -> Json:
    """Get a new access token for a refresh token."""
    claim = state.tokens.read(body.refresh_token, "refresh")
    user = None
    if claim is not None:
        with state.home.ledger.read() as db:
            user = db.get(User, claim.user_id)
    if claim is None or user is None or not claim.holds_for(user):
        raise refuse(401, "Invalid token", CHALLENGE)
    require_enabled(user)
    return Json({"access_token": state.tokens.give(user, "access", claim.login)})


@router.get("/me", response_model=UserAnswer, responses=problems(401, 403))
async def show_profile(user: Account) -> Json:
    """Show one's own account."""
    return Json(_shape(user))


@router.patch("/profile", response_model=UserAnswer, responses=problems(401, 403, 409))
async def change_profile(request: Request, state: State, user: Account, body: ProfileChange) -> Json:
    """Set nickname, e-mail, password: any of them. A new e-mail or password ends all logins but this one, not the keys.

    These two take an access token, no API key, and `current_password` where the account has a password.
    """
    login, hashed = "", None
    if body.email is not None or body.password is not None:
        login = login_of(request, state)
        # The same request again proves itself: the password that it sets is the current one.
        await require_password(state, request, user, body.current_password or body.password)
    if body.password is not None and (user.password_hash is None or body.current_password is not None):
        names = (body.nickname or user.nickname, body.email or user.email or "")
        await to_thread.run_sync(require_strong, body.password, *names)
        hashed = await state.passwords.hash(body.password)
    return Json(_shape(await to_thread.run_sync(_change, state, user.id, body, hashed, login)))


def _change(state: AppState, user_id: int, body: ProfileChange, hashed: str | None, login: str) -> User:
    with state.home.ledger.write() as db:
        changed = {"nickname": body.nickname, "email": body.email, "password_hash": hashed}
        return accounts.change_profile(db, user_id, **changed, login=login)


def _by_code(state: AppState, code: str) -> User:
    with state.home.ledger.read() as db:
        return find_by_code(db, code)


def _set_by_code(state: AppState, body: PasswordByCode, hashed: str, login: str, now: datetime) -> User:
    with state.home.ledger.write() as db:
        return use_password_code(db, body.code, now, password_hash=hashed, email=body.email, login=login)


def _by_email(state: AppState, email: str) -> User | None:
    with state.home.ledger.read() as db:
        return find_by_email(db, email)


def _tokens(state: AppState, user: User, login: str) -> dict[str, Any]:
    access, refreshing = state.tokens.give(user, "access", login), state.tokens.give(user, "refresh", login)
    return {"access_token": access, "refresh_token": refreshing, "user": _shape(user)}


def _shape(user: User) -> dict[str, Any]:
    return {
        "id": str(user.id),
        "nickname": user.nickname,
        "email": user.email or f"{user.nickname}@{ANONYMOUS_DOMAIN}",
        "tier": user.tier,
        "profile_complete": user.email is not None and user.password_hash is not None,
        "has_password": user.password_hash is not None,
    }
