"""Wire shapes of tickets."""

from typing import Annotated

from pydantic import Field

from countersign.models.enums import TicketCategory, TicketStatus
from countersign.models.names import Name, Prose
from countersign.models.wire.base import Answer, Moment, Request, word_of


class NewTicket(Request):
    """A ticket to open: a report or a request for the operator."""

    title: Name = Field(min_length=1, max_length=200, examples=["settlement missing for hs300-ml-alpha on 2026-05-14"])
    description: Prose = Field(
        default="", max_length=10_000, examples=["The session is settled for my other strategies."]
    )
    category: Annotated[TicketCategory, word_of(TicketCategory)] = Field(examples=["data"])


class TicketAnswer(Answer):
    """A ticket, with the operator's reply once there is one."""

    id: str = Field(examples=["12"])
    user_id: str = Field(examples=["17"])
    title: str = Field(examples=["settlement missing for hs300-ml-alpha on 2026-05-14"])
    description: str = Field(examples=["The session is settled for my other strategies."])
    category: TicketCategory
    status: TicketStatus
    admin_reply: str | None = Field(examples=["A late correction; settled now."])
    resolved_at: Moment | None
    created_at: Moment


class TicketsAnswer(Answer):
    """One's tickets, newest first."""

    tickets: list[TicketAnswer]
