"""Tickets: requests of users to the operator, with replies."""

from datetime import datetime

from sqlmodel import Field, SQLModel
from sqlmodel.sql.sqltypes import AutoString

from countersign.models.enums import TicketCategory, TicketStatus
from countersign.models.tables.columns import identity, instant


class Ticket(SQLModel, table=True):
    """Ticket of one account. Its texts are as they were sent: a page that shows them must escape them."""

    id: int = identity()
    user_id: int = Field(foreign_key="user.id", index=True)
    title: str = Field(max_length=200)
    description: str
    category: TicketCategory = Field(sa_type=AutoString)
    status: TicketStatus = Field(default=TicketStatus.OPEN, sa_type=AutoString)
    admin_reply: str | None = None
    created_at: datetime = instant()
    resolved_at: datetime | None = instant(default=None)
