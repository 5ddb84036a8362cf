"""Router of accounts: invitation, login, tokens, profile."""

from datetime import datetime
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request

from api.answers import Json
from api.errors import problems, refuse
from api.identity import CHALLENGE, Account, login_of, require_enabled
from api.json_bodies import StrictRoute
from api.passwords import require_strong
from api.proof import proved, require_password
from api.state import Here, Now, State
from api.tokens import new_login
from models.errors import InputError
from models.users import User
from models.wire.accounts import (
    AccessAnswer,
    Invitation,
    Login,
    PasswordByCode,
    ProfileChange,
    RefreshRequest,
    TokensAnswer,
    UserAnswer,
)
from store.accounts import accept_invite, change_profile, find_by_email
from store.custody import find_by_code, use_password_code

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/auth", tags=["auth"])

ANONYMOUS_DOMAIN = "countersign.local"


@router.post("/invite", response_model=TokensAnswer, responses=problems())
def invite(here: Here, now: Now, body: Invitation) -> Json:
    """Open a new anonymous account with an invite code. Each call opens another one, of the tier `free`."""
    with here.home.ledger.write() as db:
        user = accept_invite(db, body.invite_code, now)
    return Json(_tokens(here, user, new_login()))


@router.post("/login", response_model=TokensAnswer, responses=problems(401, 403))
async def login(request: Request, here: Here, body: Login) -> Json:
    """Log in with e-mail and password."""
    user = await to_thread.run_sync(_by_email, here, body.email)
    if not await proved(here, request, user, body.password) or user is None:
        raise refuse(401, "Wrong e-mail or password", CHALLENGE)
    require_enabled(user)
    return Json(_tokens(here, user, new_login()))


@router.post("/password", response_model=TokensAnswer, responses=problems(403, 409))
async def password_by_code(here: Here, now: Now, body: PasswordByCode) -> Json:
    """Set a password with a code that the operator gave out: for an account without any other way in.

    The code is good once, for 24 hours. All logins end but the one that comes of this; keys stay.
    """
    # Nothing dear is done, and nothing about the account said, for a code that is not good.
    user = await to_thread.run_sync(_by_code, here, body.code)
    require_enabled(user)
    if user.email is None and body.email is None:
        raise InputError("email", "an e-mail to log in with, such as me@example.com: this account has none")
    await to_thread.run_sync(require_strong, body.password, user.nickname, body.email or user.email or "")
    hashed = await here.passwords.hash(body.password)
    login = new_login()
    changed = await to_thread.run_sync(_set_by_code, here, body, hashed, login, now)
    return Json(_tokens(here, changed, login))


@router.post("/refresh", response_model=AccessAnswer, responses=problems(401, 403))
def refresh(here: Here, body: RefreshRequest) -> Json:
    """Get a new access token for a refresh token."""
    claim = here.tokens.read(body.refresh_token, "refresh")
    user = None
    if claim is not None:
        with here.home.ledger.read() as db:
            user = db.get(User, claim.user_id)
    if claim is None or user is None or not claim.holds_for(user):
        raise refuse(401, "Invalid token", CHALLENGE)
    require_enabled(user)
    return Json({"access_token": here.tokens.give(user, "access", claim.login)})


@router.get("/me", response_model=UserAnswer, responses=problems(401, 403))
async def me(user: Account) -> Json:
    """Show one's own account."""
    return Json(_shape(user))


@router.patch("/profile", response_model=UserAnswer, responses=problems(401, 403, 409))
async def profile(request: Request, here: Here, user: Account, body: ProfileChange) -> Json:
    """Set nickname, e-mail, password: any of them. A new e-mail or password ends all logins but this one, not the keys.

    These two take an access token, no API key, and `current_password` where the account has a password.
    """
    login, hashed = "", None
    if body.email is not None or body.password is not None:
        login = login_of(request, here)
        # The same request again proves itself: the password that it sets is the current one.
        await require_password(here, request, user, body.current_password or body.password)
    if body.password is not None and (user.password_hash is None or body.current_password is not None):
        names = (body.nickname or user.nickname, body.email or user.email or "")
        await to_thread.run_sync(require_strong, body.password, *names)
        hashed = await here.passwords.hash(body.password)
    return Json(_shape(await to_thread.run_sync(_change, here, user.id, body, hashed, login)))


def _change(here: State, user_id: int, body: ProfileChange, hashed: str | None, login: str) -> User:
    with here.home.ledger.write() as db:
        changed = {"nickname": body.nickname, "email": body.email, "password_hash": hashed}
        return change_profile(db, user_id, **changed, login=login)


def _by_code(here: State, code: str) -> User:
    with here.home.ledger.read() as db:
        return find_by_code(db, code)


def _set_by_code(here: State, body: PasswordByCode, hashed: str, login: str, now: datetime) -> User:
    with here.home.ledger.write() as db:
        return use_password_code(db, body.code, now, password_hash=hashed, email=body.email, login=login)


def _by_email(here: State, email: str) -> User | None:
    with here.home.ledger.read() as db:
        return find_by_email(db, email)


def _tokens(here: State, user: User, login: str) -> dict[str, Any]:
    access, refreshing = here.tokens.give(user, "access", login), here.tokens.give(user, "refresh", login)
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
