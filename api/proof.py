"""Proof that a request is its owner's: the password, for each change that would take an account over.

A key is handed to programs, and is stolen from them. With it alone, nobody may change how the account is entered.
"""

from fastapi import Request

from countersign.api.app_state import AppState
from countersign.api.responses.errors import refuse
from countersign.models.tables.accounts import User


async def proved(state: AppState, request: Request, user: User | None, password: str) -> bool:
    """Return whether this is the account's password. It counts before the check, so that many at once are no way in.

    Refuses with 429 an address that has tried too often, and with 503 while too many others are checked.
    """
    state.passwords.require_turn()
    if wait := state.limits.password_wait_seconds(request.scope):
        raise refuse(429, f"too many failed logins; try again in {wait:.0f} s", {"Retry-After": f"{wait:.0f}"})
    right = await state.passwords.matches(user.password_hash if user else None, password)
    if right:
        state.limits.password_was_right(request.scope)
    return right


async def require_password(state: AppState, request: Request, user: User, current: str | None) -> None:
    """Refuse (403) a change without the current password; an account without a password needs none."""
    if user.password_hash is None:
        return
    if current is None:
        raise refuse(403, "this needs current_password: the account's password as it is")
    if not await proved(state, request, user, current):
        raise refuse(403, "current_password: not the account's password")
