"""Tickets in the ledger: filed by accounts, answered and resolved by the operator, who leaves a line in the audit log.

A disabled account may file them too: that is how it asks why. It proves itself by a key of its own that is not revoked
(disabling ended its tokens), sees nothing but its own tickets, and may have few of them open, so that an account shut
out for flooding the platform cannot go on through this door.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, func, select

from countersign.models.enums import NoticeKind, TicketCategory, TicketStatus
from countersign.models.errors import InputError, RefusedError
from countersign.models.tables.accounts import User
from countersign.models.tables.operations import OPERATOR, AuditEntry
from countersign.models.tables.tickets import Ticket
from countersign.services.notifications.notifications import notice, notify_users

MOST_OPEN, MOST_OPEN_DISABLED = 50, 3


def file_ticket(
    db: Session, user: User, title: str, description: str, category: TicketCategory, now: datetime
) -> Ticket:
    """File a ticket. RefusedError where the account has as many open ones as it may."""
    most = MOST_OPEN if user.disabled_at is None else MOST_OPEN_DISABLED
    unresolved = select(func.count()).where(Ticket.user_id == user.id, Ticket.status != TicketStatus.RESOLVED)
    if db.exec(unresolved.select_from(Ticket)).one() >= most:
        raise RefusedError(f"tickets: {most} are open already; wait for an answer")
    ticket = Ticket(user_id=user.id, title=title, description=description, category=category, created_at=now)
    db.add(ticket)
    db.flush()
    return ticket


def list_tickets(
    db: Session, *, user_id: int | None, status: TicketStatus | None, limit: int, offset: int = 0
) -> Sequence[Ticket]:
    """List the tickets of one account (None: of all), newest first."""
    query = select(Ticket)
    if user_id is not None:
        query = query.where(Ticket.user_id == user_id)
    if status is not None:
        query = query.where(Ticket.status == status)
    return db.exec(query.order_by(col(Ticket.id).desc()).limit(limit).offset(offset)).all()


def answer_ticket(db: Session, ticket_id: int, reply: str | None, now: datetime, *, resolved: bool = False) -> Ticket:
    """Reply to a ticket, resolve it, or both: notify its account, record it in the audit log. The newest reply counts.

    RefusedError for one that is resolved.
    """
    ticket = db.get(Ticket, ticket_id) if 0 < ticket_id < 2**31 else None
    if ticket is None:
        raise InputError("ticket", "the id of a ticket", ticket_id)
    if ticket.status == TicketStatus.RESOLVED:
        raise RefusedError(f"ticket: {ticket_id} is resolved since {ticket.resolved_at:%F %T} UTC")
    ticket.admin_reply = reply if reply is not None else ticket.admin_reply
    ticket.status = TicketStatus.RESOLVED if resolved else TicketStatus.ANSWERED
    ticket.resolved_at = now if resolved else None
    db.add(ticket)
    verb = "resolved" if resolved else "answered"
    db.add(AuditEntry(at=now, actor=OPERATOR, action=f"ticket {verb}", subject=str(ticket_id), detail=reply or ""))
    key = f"ticket {ticket_id} {verb} {now.isoformat()}"
    text = f"Ticket {ticket_id} ({ticket.title}) is {verb}" + (f": {reply}" if reply else "")
    notify_users(db, [notice(key, NoticeKind.TICKET_ANSWERED, text, now, ticket.user_id)])
    return ticket
