"""Passwords: Argon2id. Each check takes some 50 ms and 64 MiB, so only two run at a time in a process."""

from functools import cache

import argon2
from anyio import CapacityLimiter, to_thread

_hasher = argon2.PasswordHasher()


@cache
def _turns() -> CapacityLimiter:
    return CapacityLimiter(2)


@cache
def _nobodys() -> str:
    return _hasher.hash("nobody's password")


async def hash_password(password: str) -> str:
    """Hash a password for keeping."""
    return await to_thread.run_sync(_hasher.hash, password, limiter=_turns())


async def password_matches(kept: str | None, password: str) -> bool:
    """Check a password. Without one to compare it with it takes as long: whether an account exists is not told."""
    return await to_thread.run_sync(_matches, kept, password, limiter=_turns())


def _matches(kept: str | None, password: str) -> bool:
    try:
        matches = _hasher.verify(kept or _nobodys(), password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
    return matches and kept is not None
