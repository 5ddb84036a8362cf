"""Operations: finished runs, leases, notifications, the audit log, and facts about the home itself."""

import re
from datetime import datetime

from sqlalchemy import Index
from sqlalchemy import text as sql
from sqlalchemy.orm import validates
from sqlmodel import Field, SQLModel

from countersign.models.tables.columns import identity, instant


class StageRun(SQLModel, table=True):
    """The newest finished run of a stage of the timetable."""

    __tablename__ = "stage_run"

    stage: str = Field(primary_key=True)
    finished_at: datetime = instant()
    failed: bool = False


class Lease(SQLModel, table=True):
    """The right to do one piece of work, held by one live process. Wall-clock time, never the simulated clock."""

    name: str = Field(primary_key=True)
    holder: str = Field(description="host:pid:start:nonce, so that a dead holder on this machine is known at once")
    acquired_at: datetime = instant()
    expires_at: datetime = instant()


class Notification(SQLModel, table=True):
    """Notification of a user, or of the operator (no user). `key` makes writing it twice harmless.

    `queued_at` is null until it is queued for the addresses that want it.
    """

    __table_args__ = (
        Index(
            "ix_notification_unqueued",
            "id",
            sqlite_where=sql("queued_at IS NULL"),
            postgresql_where=sql("queued_at IS NULL"),
        ),
    )

    id: int = identity()
    user_id: int | None = Field(default=None, foreign_key="user.id", index=True)
    key: str = Field(unique=True)
    kind: str
    text: str
    created_at: datetime = instant()
    read_at: datetime | None = instant(default=None)
    resolved_at: datetime | None = instant(default=None)
    queued_at: datetime | None = instant(default=None)


OPERATOR = "operator"


def account(user_id: int) -> str:
    """Name an account in the audit log. Not by its nickname: that can change, and another account can take it."""
    return f"account:{user_id}"


class AuditEntry(SQLModel, table=True):
    """One line of the audit log: append-only. ValueError for an actor that is neither an account nor the operator."""

    __tablename__ = "audit_entry"

    id: int = identity()
    at: datetime = instant()
    actor: str
    action: str
    subject: str
    detail: str = ""

    @validates("actor")
    def _require_actor(self, _key: str, actor: str) -> str:
        if not re.fullmatch(rf"{OPERATOR}|account:[0-9]+", actor):
            raise ValueError(f"actor: expected {OPERATOR} or an account such as account:17, got {actor}")
        return actor


class HomeFact(SQLModel, table=True):
    """A fact that the home was created with and must keep, such as its clock."""

    __tablename__ = "home_fact"

    key: str = Field(primary_key=True)
    value: str
