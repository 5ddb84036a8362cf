"""Accounts."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from models.columns import identity, instant


class User(SQLModel, table=True):
    """Somebody who opens strategies: a person or a program."""

    id: int = identity()
    nickname: str = Field(unique=True, max_length=30)
    tier: str = "free"
    created_at: datetime = instant()
    disabled_at: datetime | None = instant(default=None)
