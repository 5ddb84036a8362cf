"""Column types and helpers that the ledger's tables share."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, String
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field


class UTCDateTime(TypeDecorator[datetime]):
    """A point in time: aware in Python, UTC at rest on every database (SQLite keeps no zone of its own)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Refuse naive times: a time without a zone is a guess."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"expected an aware datetime, got {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class LowerCase(TypeDecorator[str]):
    """A text of up to 254 characters that is in lower case at rest and in every comparison."""

    impl = String(254)
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """Take the case away."""
        return value.lower() if value else value


def instant(**options: Any) -> Any:
    """Declare a field that holds a point in time."""
    return Field(sa_type=UTCDateTime, **options)


def key_of_another() -> Any:
    """Declare a unique text that the row makes of another of its fields. Without a default, nothing takes its place."""
    return Field(unique=True, index=True)


def identity() -> Any:
    """Declare a primary key that the database numbers; it is there once the row has been flushed."""
    return Field(default=None, primary_key=True)
