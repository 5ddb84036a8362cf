"""Passwords: hashed with Argon2id, and refused where they are easy to guess.

Each check takes some 50 ms of all processors and 64 MiB, so one runs at a time in a process, and only so many wait for
it: submissions are not kept waiting by those who try passwords.
"""

from functools import cache

import argon2
from anyio import CapacityLimiter, to_thread
from zxcvbn import zxcvbn

from api.errors import refuse
from models.errors import InputError

MOST_WAITING, BUSY_SECONDS = 40, 5
# Of 0 to 4: it takes more than 10^8 guesses, by an estimate that knows words, names, dates, keyboards and repetitions.
LEAST_SCORE = 3
# The estimate takes a time that grows with the square of the length; what follows can only make a password better.
ESTIMATED_LETTERS = 72
NAMES = ("countersign", "signal", "alpha", "trading")
_hasher = argon2.PasswordHasher()


@cache
def _turns() -> CapacityLimiter:
    return CapacityLimiter(1)


@cache
def _nobodys() -> str:
    return _hasher.hash("nobody's password")


def require_strong(password: str, *names: str) -> None:
    """Raise InputError for a password that is easy to guess, for those too who know these names."""
    found = zxcvbn(password[:ESTIMATED_LETTERS], user_inputs=[*NAMES, *filter(None, names)])
    if found["score"] < LEAST_SCORE:
        why = [found["feedback"]["warning"], *found["feedback"]["suggestions"]]
        words = " ".join(filter(None, why)) or "Add another word or two."
        raise InputError("password", f"one that is hard to guess, such as four words by chance. {words}".rstrip("."))


async def hash_password(password: str) -> str:
    """Hash a password for keeping."""
    require_turn()
    return await to_thread.run_sync(_hasher.hash, password, limiter=_turns())


async def password_matches(kept: str | None, password: str) -> bool:
    """Check a password. Without one to compare it with it takes as long: whether an account exists is not told."""
    require_turn()
    return await to_thread.run_sync(_matches, kept, password, limiter=_turns())


def require_turn() -> None:
    """Refuse (503) where too many wait already."""
    if _turns().statistics().tasks_waiting >= MOST_WAITING:
        words = f"passwords are being checked for many others; try again in {BUSY_SECONDS} s"
        raise refuse(503, words, {"Retry-After": str(BUSY_SECONDS)})


def _matches(kept: str | None, password: str) -> bool:
    nobodys = _nobodys()
    try:
        matches = _hasher.verify(kept or nobodys, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
    return matches and kept is not None
