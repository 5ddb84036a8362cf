"""Passwords: hashed with Argon2id, and refused where they are easy to guess.

Each check takes some 50 ms of all processors and 64 MiB. So one runs at a time in a process, after everything else that
wants a processor, and only so many wait for it: submissions are not kept waiting by those who try passwords.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import ParamSpec, TypeVar

import argon2
from zxcvbn import zxcvbn

from countersign.api.responses.errors import refuse
from countersign.models.errors import InputError

MOST_WAITING, BUSY_SECONDS = 40, 5
# Of 0 to 4: it takes more than 10^8 guesses, by an estimate that knows words, names, dates, keyboards and repetitions.
LEAST_SCORE = 3
# The estimate's time grows with the square of the length; further characters can only make a password better.
ESTIMATED_LETTERS = 72
NAMES = ("countersign", "signal", "alpha", "trading")
P = ParamSpec("P")
T = TypeVar("T")
_hasher = argon2.PasswordHasher()


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


class Passwords:
    """Hashes and checks passwords, one at a time."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "passwords", initializer=_give_way)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Hash a password for keeping."""
        return await self._run(_hash, password)

    async def matches(self, kept: str | None, password: str) -> bool:
        """Check a password. Without one to compare it with it takes as long: whether an account exists is not told."""
        return await self._run(_matches, kept, password)

    def require_turn(self) -> None:
        """Refuse (503) where too many wait already."""
        if self._waiting > MOST_WAITING:
            words = f"passwords are being checked for many others; try again in {BUSY_SECONDS} s"
            raise refuse(503, words, {"Retry-After": str(BUSY_SECONDS)})

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    async def _run(self, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        self.require_turn()
        self._waiting += 1
        try:
            return await asyncio.wrap_future(self._thread.submit(work, *given, **named))
        finally:
            self._waiting -= 1


def _give_way() -> None:
    """Let this thread, and those that it starts, run when nobody else wants to. Linux counts them one by one."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


def _hash(password: str) -> str:
    return _hasher.hash(password)


def _matches(kept: str | None, password: str) -> bool:
    nobodys = _nobodys()
    try:
        matches = _hasher.verify(kept or nobodys, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
    return matches and kept is not None
