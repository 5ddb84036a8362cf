"""What operators need: leases, notifications, the audit log, and facts about the home itself."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from models.columns import identity, instant


class Lease(SQLModel, table=True):
    """The right to do one piece of work, held by one live process. Wall-clock time, never the simulated clock."""

    name: str = Field(primary_key=True)
    holder: str = Field(description="host:pid:start:nonce, so that a dead holder on this machine is known at once")
    acquired_at: datetime = instant()
    expires_at: datetime = instant()


class Notification(SQLModel, table=True):
    """Something a user, or the operator (no user), should know. `key` makes telling it twice harmless."""

    id: int = identity()
    user_id: int | None = Field(default=None, foreign_key="user.id", index=True)
    key: str = Field(unique=True)
    kind: str
    text: str
    created_at: datetime = instant()
    read_at: datetime | None = instant(default=None)
    resolved_at: datetime | None = instant(default=None)


class AuditEntry(SQLModel, table=True):
    """One line of the audit log: append-only."""

    __tablename__ = "audit_entry"

    id: int = identity()
    at: datetime = instant()
    actor: str
    action: str
    subject: str
    detail: str = ""


class HomeFact(SQLModel, table=True):
    """A fact that the home was created with and must keep, such as its clock."""

    __tablename__ = "home_fact"

    key: str = Field(primary_key=True)
    value: str
