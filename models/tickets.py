"""Tickets: what somebody asks of the operator, and what the operator says."""

from datetime import datetime

from sqlmodel import Field, SQLModel
from sqlmodel.sql.sqltypes import AutoString

from models.columns import identity, instant
from models.enums import TicketCategory, TicketStatus


class Ticket(SQLModel, table=True):
    """One matter of one account. Its words are as they were sent: whoever shows them must escape them."""

    id: int = identity()
    user_id: int = Field(foreign_key="user.id", index=True)
    title: str = Field(max_length=200)
    description: str
    category: TicketCategory = Field(sa_type=AutoString)
    status: TicketStatus = Field(default=TicketStatus.OPEN, sa_type=AutoString)
    admin_reply: str | None = None
    created_at: datetime = instant()
    resolved_at: datetime | None = instant(default=None)
