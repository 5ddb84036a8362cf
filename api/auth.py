"""Router of accounts: invitation, login, tokens, profile."""

from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request

from api.answers import Json
from api.errors import problems, refuse
from api.identity import CHALLENGE, Account, require_enabled
from api.limits import address
from api.passwords import hash_password, password_matches
from api.state import Here, Now, State
from models.users import User
from models.wire.accounts import (
    AccessAnswer,
    Invitation,
    Login,
    ProfileChange,
    RefreshRequest,
    TokensAnswer,
    UserAnswer,
)
from store.accounts import accept_invite, change_profile, find_by_email

router = APIRouter(prefix="/api/v1/auth", tags=["auth"])

ANONYMOUS_DOMAIN = "countersign.local"


@router.post("/invite", response_model=TokensAnswer, responses=problems())
def invite(here: Here, now: Now, body: Invitation) -> Json:
    """Open a new anonymous account with an invite code. Each call opens another one, of the tier `free`."""
    with here.home.ledger.write() as db:
        user = accept_invite(db, body.invite_code, now)
    return Json(_tokens(here, user))


@router.post("/login", response_model=TokensAnswer, responses=problems(401, 403))
async def login(request: Request, here: Here, body: Login) -> Json:
    """Log in with e-mail and password."""
    names = (address(request.scope), body.email.lower())
    _slow_down(here.limits.login_wait_seconds(*names, failed=False))
    user = await to_thread.run_sync(_by_email, here, body.email)
    if not await password_matches(user.password_hash if user else None, body.password) or user is None:
        _slow_down(here.limits.login_wait_seconds(*names, failed=True))
        raise refuse(401, "Wrong e-mail or password", CHALLENGE)
    require_enabled(user)
    return Json(_tokens(here, user))


@router.post("/refresh", response_model=AccessAnswer, responses=problems(401, 403))
def refresh(here: Here, body: RefreshRequest) -> Json:
    """Get a new access token for a refresh token."""
    claim = here.tokens.read(body.refresh_token, "refresh")
    user = None
    if claim is not None:
        with here.home.ledger.read() as db:
            user = db.get(User, claim.user_id)
    if claim is None or user is None or user.token_epoch != claim.epoch:
        raise refuse(401, "Invalid token", CHALLENGE)
    require_enabled(user)
    return Json({"access_token": here.tokens.give(user, "access")})


@router.get("/me", response_model=UserAnswer, responses=problems(401, 403))
async def me(user: Account) -> Json:
    """Show one's own account."""
    return Json(_shape(user))


@router.patch("/profile", response_model=UserAnswer, responses=problems(401, 403, 409))
async def profile(here: Here, user: Account, body: ProfileChange) -> Json:
    """Set nickname, e-mail, password: any of them. A new password ends all tokens given out so far, not the keys."""
    hashed = await hash_password(body.password) if body.password is not None else None
    return Json(_shape(await to_thread.run_sync(_change, here, user.id, body, hashed)))


def _change(here: State, user_id: int, body: ProfileChange, hashed: str | None) -> User:
    with here.home.ledger.write() as db:
        return change_profile(db, user_id, nickname=body.nickname, email=body.email, password_hash=hashed)


def _by_email(here: State, email: str) -> User | None:
    with here.home.ledger.read() as db:
        return find_by_email(db, email)


def _slow_down(wait: float) -> None:
    if wait:
        raise refuse(429, f"too many failed logins; try again in {wait:.0f} s", {"Retry-After": f"{wait:.0f}"})


def _tokens(here: State, user: User) -> dict[str, Any]:
    access, refreshing = (here.tokens.give(user, "access"), here.tokens.give(user, "refresh"))
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
