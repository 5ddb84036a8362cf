"""Router of notifications: one's own, which of them are read, and the kinds and addresses that are sent on."""

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from countersign.api.app_state import AppState, Now, State
from countersign.api.identity import Account
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.requests.limits import credential
from countersign.api.responses.answers import Json
from countersign.api.responses.errors import not_found, problems
from countersign.api.responses.paging import Id, Limit, Offset, number_of
from countersign.domain.notifications.addresses import parse_address
from countersign.models.enums import NoticeKind
from countersign.models.errors import StoreError
from countersign.models.tables.notifications import Address
from countersign.models.tables.operations import Notification
from countersign.models.wire.base import Deleted
from countersign.models.wire.notifications import (
    AddressAnswer,
    AddressesAnswer,
    DeliveryAnswer,
    DeliveryChoice,
    MarkedAnswer,
    NewAddress,
    NotificationAnswer,
    NotificationsAnswer,
    UnreadAnswer,
)
from countersign.services.accounts.accounts import find_key
from countersign.services.notifications import addresses as addresses_service
from countersign.services.notifications import notifications as notifications_service
from countersign.services.notifications.addresses import delete_address, read_muted, set_delivered
from countersign.services.notifications.inbox import catch_up
from countersign.services.notifications.notifications import count_unread, mark_all_read, mark_read

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/notifications", tags=["notifications"])

log = logging.getLogger("countersign.api")


@router.get("", response_model=NotificationsAnswer, responses=problems(401, 403))
def list_notifications(
    state: State,
    user: Account,
    unread_only: Annotated[bool, Query(description="leave out what is read")] = False,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Json:
    """List one's notifications, newest first."""
    _catch_up(state, user.id)
    with state.home.ledger.read() as db:
        found = notifications_service.list_notifications(
            db, user.id, unread_only=unread_only, limit=limit, offset=offset
        )
    return Json({"notifications": [_shape(each) for each in found]})


@router.get("/unread-count", response_model=UnreadAnswer, responses=problems(401, 403))
def count_unread_notifications(state: State, user: Account) -> Json:
    """Count the unread notifications."""
    _catch_up(state, user.id)
    with state.home.ledger.read() as db:
        return Json({"unread_count": count_unread(db, user.id)})


@router.post("/read-all", response_model=MarkedAnswer, responses=problems(401, 403))
def mark_all_notifications_read(state: State, user: Account, now: Now) -> Json:
    """Mark everything as read; safe to repeat."""
    _catch_up(state, user.id)
    with state.home.ledger.write() as db:
        return Json({"marked": mark_all_read(db, user.id, now)})


@router.patch("/{notification_id}/read", response_model=NotificationAnswer, responses=problems(401, 403, 404))
def mark_notification_read(state: State, user: Account, now: Now, notification_id: Id) -> Json:
    """Mark one as read; safe to repeat."""
    with state.home.ledger.write() as db:
        found = mark_read(db, user.id, number_of(notification_id), now)
        if found is None:
            raise not_found("Notification")
    return Json(_shape(found))


@router.get("/delivery", response_model=DeliveryAnswer, responses=problems(401, 403))
def show_delivery(state: State, user: Account) -> Json:
    """Show which kinds of notifications are sent to one's addresses: all, until one says otherwise."""
    with state.home.ledger.read() as db:
        return Json(_delivered(read_muted(db, user.id)))


@router.put("/delivery", response_model=DeliveryAnswer, responses=problems(401, 403))
def choose_delivery(state: State, user: Account, body: DeliveryChoice) -> Json:
    """Choose which kinds are sent to one's addresses. The others are listed all the same."""
    with state.home.ledger.write() as db:
        set_delivered(db, user.id, body.deliver)
        return Json(_delivered(read_muted(db, user.id)))


@router.get("/addresses", response_model=AddressesAnswer, responses=problems(401, 403))
def list_addresses(state: State, user: Account) -> Json:
    """List one's addresses, masked."""
    with state.home.ledger.read() as db:
        return Json({"addresses": [_address(each) for each in addresses_service.list_addresses(db, user.id)]})


@router.post("/addresses", status_code=201, response_model=AddressAnswer, responses=problems(401, 403))
def add_address(request: Request, state: State, user: Account, now: Now, body: NewAddress) -> Json:
    """Add an address; notifications from now on are sent there. The same again changes nothing.

    One that is added with a key is deleted when the key is revoked.
    """
    target = parse_address(body.url, private=state.private_addresses)
    _catch_up(state, user.id)
    with state.home.ledger.write() as db:
        key = find_key(db, credential(request.scope) or "")
        return Json(_address(addresses_service.add_address(db, user.id, target.url, now, key.id if key else None)), 201)


@router.delete("/addresses/{address_id}", response_model=Deleted, responses=problems(401, 403, 404))
def remove_address(state: State, user: Account, address_id: Id) -> Json:
    """Delete an address, and the notifications on their way there."""
    with state.home.ledger.write() as db:
        if not delete_address(db, user.id, number_of(address_id)):
            raise not_found("Address")
    return Json({"deleted": True})


def _catch_up(state: AppState, user_id: int) -> None:
    try:
        catch_up(state.home, [user_id])
    except StoreError as error:  # a damaged file of the lake must not hide everything else
        log.warning("settled sessions are not told yet: %s", error)


def _shape(found: Notification) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ("kind", "text", "created_at", "read_at")} | {"id": str(found.id)}


def _delivered(muted: set[str]) -> dict[str, Any]:
    return {"deliver": [kind for kind in NoticeKind if kind not in muted]}


def _address(address: Address) -> dict[str, Any]:
    shown = parse_address(address.url, private=True).shown
    return {
        "id": str(address.id),
        "shown": shown,
        "created_at": address.created_at,
        "failing": address.failures > 0,
    }
