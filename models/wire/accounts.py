"""Wire shapes of accounts, keys and tiers."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from countersign.models.names import Name, is_reserved
from countersign.models.wire.base import Answer, Moment, Request, Text

RESERVED_DOMAINS = ("@quantgpt.local", "@countersign.local")


def _own_email(value: str) -> str:
    if value.lower().endswith(RESERVED_DOMAINS):
        raise ValueError("expected an address of your own; this domain is reserved for anonymous accounts")
    return value


def _free_of_the_platform(value: str) -> str:
    if is_reserved(value):
        raise ValueError("expected a nickname that nobody takes for the platform's own, such as my_username")
    return value


Nickname = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_\u4e00-\u9fff-]{2,30}$"),
    AfterValidator(_free_of_the_platform),
]
Email = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,4}$", max_length=254
    ),
    AfterValidator(_own_email),
]
Password = Annotated[Text, Field(min_length=8, max_length=128, examples=["correct horse battery staple"])]

CurrentPassword = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=128,
        description="the account's password as it is; needed where it has one",
        examples=["correct horse battery staple"],
    ),
]


class Invitation(Request):
    """An invite code to open an account with."""

    invite_code: Text = Field(min_length=1, max_length=200, examples=["aB3dE5fG7hJ9kL1mN3pQ5r"])


class Login(Request):
    """Credentials of a returning user."""

    email: Text = Field(min_length=1, max_length=254, examples=["me@example.com"])
    password: Text = Field(min_length=1, max_length=128, examples=["correct horse battery staple"])


class PasswordByCode(Request):
    """A code of the operator's, and the password to set with it."""

    code: Text = Field(min_length=1, max_length=200, examples=["aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY"])
    password: Password
    email: Email | None = Field(
        default=None,
        description="to log in with from now on; needed where the account has none",
        examples=["me@example.com"],
    )


class RefreshRequest(Request):
    """A refresh token, for a new access token."""

    refresh_token: Text = Field(min_length=1, max_length=4096, examples=["eyJhbGciOiJIUzI1NiIs..."])


class ProfileChange(Request):
    """Change of one's own account; each field may be left out."""

    nickname: Nickname | None = Field(default=None, examples=["my_username"])
    email: Email | None = Field(default=None, examples=["me@example.com"])
    password: Password | None = None
    current_password: CurrentPassword | None = None


class UserAnswer(Answer):
    """An account."""

    id: str = Field(examples=["17"])
    nickname: str = Field(examples=["user_a1b2c3d4"])
    email: str = Field(examples=["user_a1b2c3d4@countersign.local"])
    tier: str = Field(examples=["free"])
    profile_complete: bool = Field(description="it has an e-mail and a password of its own", examples=[False])
    has_password: bool = Field(examples=[False])


class TokensAnswer(Answer):
    """Tokens of a new session."""

    access_token: str = Field(description="good for 24 hours", examples=["eyJhbGciOiJIUzI1NiIs..."])
    refresh_token: str = Field(description="good for 7 days", examples=["eyJhbGciOiJIUzI1NiIs..."])
    user: UserAnswer


class AccessAnswer(Answer):
    """A new access token."""

    access_token: str = Field(description="good for 24 hours", examples=["eyJhbGciOiJIUzI1NiIs..."])


class KeyRequest(Request):
    """A name to tell the key by; names need not be unique."""

    name: Name = Field(min_length=1, max_length=100, examples=["my-agent"])
    current_password: CurrentPassword | None = None


class KeyRevocation(Request):
    """Password of the account, to revoke a key."""

    current_password: CurrentPassword | None = None


class KeyShape(Answer):
    """A key, without the key itself."""

    id: str = Field(examples=["3"])
    name: str = Field(examples=["my-agent"])
    masked: str = Field(examples=["csk_...x7Qk"])
    created_at: Moment


class NewKeyAnswer(KeyShape):
    """A new key."""

    api_key: str = Field(description="shown this once", examples=["csk_0aB3dE5fG7hJ9kL1mN3pQ5r"])


class KeysAnswer(Answer):
    """The active keys of an account."""

    api_keys: list[KeyShape]


class TierAnswer(Answer):
    """Limits of the account's tier."""

    tier: str = Field(examples=["free"])
    max_strategies: int = Field(examples=[3])
    strategy_universes: list[str] = Field(examples=[["hs300", "csi500", "csi1000", "csi2000", "etf_all"]])


class TiersAnswer(Answer):
    """All tiers."""

    tiers: list[TierAnswer]
