"""Delivery of notifications: each user's inbox and choice of kinds, addresses, and open deliveries."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from countersign.models.tables.columns import identity, instant


class Inbox(SQLModel, table=True):
    """Inbox of a user: the newest settled session that became a notification, and the kinds that are not sent on."""

    user_id: int = Field(foreign_key="user.id", primary_key=True)
    told_settlement: int = Field(default=0, description="id of the newest settlement that the user was told of")
    muted: str = Field(default="", description="kinds not to be delivered, separated by spaces")


class Address(SQLModel, table=True):
    """Address for notifications of a user, or of the operator (no user). `url` is a secret: shown masked."""

    id: int = identity()
    user_id: int | None = Field(default=None, foreign_key="user.id", index=True)
    url: str = Field(repr=False)
    key_id: int | None = Field(default=None, foreign_key="api_key.id", description="the key it was added with")
    created_at: datetime = instant()
    failures: int = Field(default=0, description="attempts that failed since the last one that did not")
    next_at: datetime | None = instant(default=None, description="no attempt before this")


class Delivery(SQLModel, table=True):
    """One notification on its way to one address. Open until it is sent, or given up."""

    __table_args__ = (
        Index(
            "ix_delivery_open",
            "address_id",
            sqlite_where=sql("sent_at IS NULL AND given_up_at IS NULL"),
            postgresql_where=sql("sent_at IS NULL AND given_up_at IS NULL"),
        ),
    )

    notification_id: int = Field(foreign_key="notification.id", primary_key=True)
    address_id: int = Field(foreign_key="address.id", primary_key=True)
    queued_at: datetime = instant()
    sent_at: datetime | None = instant(default=None)
    given_up_at: datetime | None = instant(default=None)
