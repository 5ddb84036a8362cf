"""Router of tickets: filing them, reading the replies. Open to disabled accounts too (see
services/accounts/tickets.py).
"""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from countersign.api.app_state import Now, State
from countersign.api.identity import AnyAccount
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.responses.answers import Json
from countersign.api.responses.errors import not_found, problems
from countersign.api.responses.paging import Id, Limit, Offset, number_of
from countersign.models.enums import TicketStatus
from countersign.models.tables.tickets import Ticket
from countersign.models.wire.tickets import NewTicket, TicketAnswer, TicketsAnswer
from countersign.services.accounts import tickets as tickets_service
from countersign.services.accounts.tickets import file_ticket

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/tickets", tags=["tickets"])

FIELDS = tuple(TicketAnswer.model_fields)


@router.post("", status_code=201, response_model=TicketAnswer, responses=problems(401, 403))
def create_ticket(state: State, user: AnyAccount, now: Now, body: NewTicket) -> Json:
    """File a ticket; each call files another one. A disabled account may do so too, three at a time."""
    with state.home.ledger.write() as db:
        ticket = file_ticket(db, user, body.title, body.description, body.category, now)
    return Json(_shape(ticket), 201)


@router.get("", response_model=TicketsAnswer, responses=problems(401, 403))
def list_tickets(
    state: State,
    user: AnyAccount,
    status: Annotated[TicketStatus | None, Query(examples=["open"])] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Json:
    """List one's tickets, newest first."""
    with state.home.ledger.read() as db:
        found = tickets_service.list_tickets(db, user_id=user.id, status=status, limit=limit, offset=offset)
    return Json({"tickets": [_shape(each) for each in found]})


@router.get("/{ticket_id}", response_model=TicketAnswer, responses=problems(401, 403, 404))
def show_ticket(state: State, user: AnyAccount, ticket_id: Id) -> Json:
    """Show one of one's tickets."""
    with state.home.ledger.read() as db:
        found = db.get(Ticket, number_of(ticket_id))
    if found is None or found.user_id != user.id:
        raise not_found("Ticket")
    return Json(_shape(found))


def _shape(ticket: Ticket) -> dict[str, Any]:
    row = {name: getattr(ticket, name) for name in FIELDS}
    return row | {"id": str(ticket.id), "user_id": str(ticket.user_id)}
