"""Rate limits: a bucket for each key and for each address, in this process's memory.

A credential has a bucket of its own once it has proved good; until then, and without one, the address pays. So
somebody who tries out keys runs into the limit of their address.
"""

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import Scope

from countersign.api.requests.addresses import Proxies

MAX_BUCKETS = 100_000
LOGINS_A_MINUTE = 20


class Buckets:
    """Token buckets: each holds a minute's worth and is refilled evenly."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, name: str, *, take: bool = True) -> float:
        """Take one out of a bucket, or only look; where it is empty, take nothing and return how long to wait."""
        now = self._clock()
        level = self._level(name, now)
        if level < 1:
            return max(1.0, math.ceil((1 - level) * 60 / self._per_minute))
        if take:
            self._levels[name] = (level - 1, now)
            self._levels.move_to_end(name)
            if len(self._levels) > MAX_BUCKETS:
                self._levels.popitem(last=False)
        return 0.0

    def give_back(self, name: str) -> None:
        """Put one back into a bucket that it was taken out of."""
        now = self._clock()
        self._levels[name] = (min(self._per_minute, self._level(name, now) + 1), now)

    def _level(self, name: str, now: float) -> float:
        level, since = self._levels.get(name, (float(self._per_minute), now))
        return min(self._per_minute, level + (now - since) * self._per_minute / 60)


class Limits:
    """Rate limits of each key and address, in requests a minute; `per_minute` 0: no limit but that on passwords."""

    def __init__(
        self, per_minute: int, proxies: Proxies | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._enabled = per_minute > 0
        self._proxies = proxies or Proxies(())
        self._requests = Buckets(max(per_minute, 1), clock)
        self._passwords = Buckets(LOGINS_A_MINUTE, clock)
        self._good: OrderedDict[str, None] = OrderedDict()

    def wait_seconds(self, scope: Scope) -> float:
        """Count a request; return the seconds to wait where it is one too many, else 0."""
        if not self._enabled:
            return 0.0
        given = credential(scope)
        digest = _digest(given) if given else ""
        return self._requests.wait_seconds(digest if digest in self._good else f"address {self._proxies.client(scope)}")

    def proved_good(self, given: str) -> None:
        """Give a credential its own bucket."""
        digest = _digest(given)
        self._good[digest] = None
        self._good.move_to_end(digest)
        if len(self._good) > MAX_BUCKETS:
            self._good.popitem(last=False)

    def proved_bad(self, given: str) -> None:
        """Let the address pay for it from now on."""
        self._good.pop(_digest(given), None)

    def password_wait_seconds(self, scope: Scope) -> float:
        """Count a password before it is checked, against the address; return the seconds to wait instead, else 0.

        Not against the account: anybody who knows its e-mail could shut its owner out.
        """
        return self._passwords.wait_seconds(self._proxies.client(scope))

    def password_was_right(self, scope: Scope) -> None:
        """Take back a counted password: only wrong ones use the limit up."""
        self._passwords.give_back(self._proxies.client(scope))


def credential(scope: Scope) -> str | None:
    """Return the key or token that a request carries: `x-api-key`, or `Authorization: Bearer`."""
    bearer = None
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return str(value.decode("latin-1")).strip()
        if name == b"authorization":
            scheme, _, rest = value.decode("latin-1").partition(" ")
            bearer = rest.strip() if scheme.lower() == "bearer" else None
    return bearer


def _digest(given: str) -> str:
    return hashlib.sha256(given.encode("latin-1", "replace")).hexdigest()
