"""Router of tickets: filing them, reading the replies. Open to disabled accounts too (see store/tickets.py)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.answers import Json
from api.errors import not_found, problems
from api.identity import AnyAccount
from api.json_bodies import StrictRoute
from api.paging import Id, Limit, Offset, number_of
from api.state import Here, Now
from models.enums import TicketStatus
from models.tickets import Ticket
from models.wire.tickets import NewTicket, TicketAnswer, TicketsAnswer
from store.tickets import file_ticket, list_tickets

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/tickets", tags=["tickets"])

FIELDS = tuple(TicketAnswer.model_fields)


@router.post("", status_code=201, response_model=TicketAnswer, responses=problems(401, 403))
def create(here: Here, user: AnyAccount, now: Now, body: NewTicket) -> Json:
    """File a ticket; each call files another one. A disabled account may do so too, three at a time."""
    with here.home.ledger.write() as db:
        ticket = file_ticket(db, user, body.title, body.description, body.category, now)
    return Json(_shape(ticket), 201)


@router.get("", response_model=TicketsAnswer, responses=problems(401, 403))
def tickets(
    here: Here,
    user: AnyAccount,
    status: Annotated[TicketStatus | None, Query(examples=["open"])] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Json:
    """List one's tickets, newest first."""
    with here.home.ledger.read() as db:
        found = list_tickets(db, user_id=user.id, status=status, limit=limit, offset=offset)
    return Json({"tickets": [_shape(each) for each in found]})


@router.get("/{ticket_id}", response_model=TicketAnswer, responses=problems(401, 403, 404))
def ticket(here: Here, user: AnyAccount, ticket_id: Id) -> Json:
    """Show one of one's tickets."""
    with here.home.ledger.read() as db:
        found = db.get(Ticket, number_of(ticket_id))
    if found is None or found.user_id != user.id:
        raise not_found("Ticket")
    return Json(_shape(found))


def _shape(ticket: Ticket) -> dict[str, Any]:
    row = {name: getattr(ticket, name) for name in FIELDS}
    return row | {"id": str(ticket.id), "user_id": str(ticket.user_id)}
