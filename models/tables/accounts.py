"""Accounts that open strategies: users with their tier, API keys and invite codes."""

from datetime import datetime

from sqlalchemy.orm import validates
from sqlmodel import Field, SQLModel

from countersign.models.names import nickname_key
from countersign.models.tables.columns import LowerCase, identity, instant, key_of_another

# Most strategies that an account of each tier may have open; retired ones do not count.
TIERS = {"free": 3, "licensed": 20}
DEFAULT_TIER = "free"
# Owns the strategies that only the journal knew: nobody can log in as it.
UNCLAIMED = "unclaimed"


class User(SQLModel, table=True):
    """Somebody who opens strategies: a person or a program. Without e-mail and password it is an anonymous account.

    No two nicknames have one key, and no two e-mails differ in case alone: the database holds that.
    """

    id: int = identity()
    nickname: str = Field(unique=True, max_length=30)
    nickname_key: str = key_of_another()
    email: str | None = Field(default=None, unique=True, sa_type=LowerCase, description="in lower case")
    password_hash: str | None = Field(default=None, description="Argon2id, with its salt and parameters")
    token_epoch: int = Field(default=0, description="counted up to end every token given out so far")
    kept_login: str | None = Field(default=None, description="the login that counted up: its tokens go on")
    code_hash: str | None = Field(default=None, unique=True, index=True, description="hex SHA-256 of a password code")
    code_expires_at: datetime | None = instant(default=None, description="by the machine's clock")
    tier: str = DEFAULT_TIER
    is_admin: bool = Field(default=False, description="may enter and change external sources")
    created_at: datetime = instant()
    disabled_at: datetime | None = instant(default=None)

    @validates("nickname")
    def _keep_key(self, _name: str, nickname: str) -> str:
        self.nickname_key = nickname_key(nickname)
        return nickname


class ApiKey(SQLModel, table=True):
    """A key of an account. The key itself is shown once, when it is made; only its hash is kept."""

    __tablename__ = "api_key"

    id: int = identity()
    user_id: int = Field(foreign_key="user.id", index=True)
    name: str = Field(max_length=100)
    key_hash: str = Field(unique=True, description="hex SHA-256: the key has 256 random bits, no stretching is needed")
    last_four: str = Field(max_length=4, description="the end of the key, to tell keys apart by")
    created_at: datetime = instant()
    revoked_at: datetime | None = instant(default=None)


class InviteCode(SQLModel, table=True):
    """A code that opens up to `max_uses` accounts. Shown once; only its hash is kept."""

    __tablename__ = "invite_code"

    id: int = identity()
    code_hash: str = Field(unique=True, description="hex SHA-256")
    max_uses: int = Field(ge=1)
    uses: int = 0
    created_at: datetime = instant()
