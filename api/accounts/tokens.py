"""Tokens: JWT, signed with the home's newest secret, good for as long as any secret that is kept has signed them.

Their times are the machine's, not a simulated clock's, which may stop for days.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import jwt

from countersign.models.tables.accounts import User
from countersign.store.clock import wall_clock
from countersign.store.signing_keys import changed_at, name_secret, parse_secrets, read_secrets

Kind = Literal["access", "refresh"]
LIFETIMES = {"access": timedelta(hours=24), "refresh": timedelta(days=7)}
ALGORITHM = "HS256"


@dataclass(frozen=True)
class Claim:
    """Claims of a token: its account and login. `login` is the same in all tokens that come of one login."""

    user_id: int
    epoch: int
    login: str

    def holds_for(self, user: User) -> bool:
        """Whether the token was not ended since: by a new password or e-mail that another login set."""
        return self.epoch == user.token_epoch or (bool(self.login) and self.login == user.kept_login)


def new_login() -> str:
    """Name a login."""
    return secrets.token_urlsafe(16)


class Tokens:
    """Gives out and reads tokens. `given` are the setting's secrets; else the home's file is followed as it changes."""

    def __init__(self, home: Path, given: str | None = None) -> None:
        self._home = home
        self._fixed = parse_secrets(given) if given else None
        self._read_at = -1
        self._secrets: list[str] = []

    def give(self, user: User, kind: Kind, login: str) -> str:
        """Give out a token for an account."""
        now = wall_clock()
        secret = self._current()[0]
        claims = {"sub": str(user.id), "typ": kind, "epoch": user.token_epoch, "sid": login}
        claims |= {"iat": now, "exp": now + LIFETIMES[kind]}
        return jwt.encode(claims, secret, ALGORITHM, headers={"kid": name_secret(secret)})

    def read(self, text: str, kind: Kind) -> Claim | None:
        """Return a token's claims; None if it is not ours, not of this kind, or expired."""
        try:
            kid = jwt.get_unverified_header(text).get("kid")
            secret = next((secret for secret in self._current() if name_secret(secret) == kid), None)
            if secret is None:
                return None
            # A clock that steps back must not make a token invalid that was issued a moment ago.
            options = {"require": ["sub", "typ", "epoch", "exp"], "verify_iat": False}
            claims = jwt.decode(text, secret, [ALGORITHM], options=options)  # type: ignore[arg-type]
            claim = Claim(int(claims["sub"]), int(claims["epoch"]), str(claims.get("sid", "")))
            return claim if claims["typ"] == kind else None
        except (jwt.InvalidTokenError, ValueError, TypeError):
            return None

    def _current(self) -> list[str]:
        if self._fixed:
            return self._fixed
        changed = changed_at(self._home)
        if changed != self._read_at:
            self._secrets, self._read_at = read_secrets(self._home), changed
        return self._secrets
