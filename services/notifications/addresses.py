"""Addresses in the ledger, and deliveries to them: queued once for each notification, tried until it arrives.

Queueing is one transaction, so that nothing is queued twice or lost. Sending cannot be: a message sent in the moment
before a crash is sent again, and carries the same number.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.models.enums import NoticeKind
from countersign.models.errors import RefusedError
from countersign.models.tables.accounts import User
from countersign.models.tables.notifications import Address, Delivery, Inbox
from countersign.models.tables.operations import Notification
from countersign.services.notifications.inbox import inbox_of
from countersign.store.ledger.inserts import insert_into

MOST_ADDRESSES = 5
MOST_LINES = 50
QUEUED_AT_ONCE = 5_000
GIVE_UP_AFTER = timedelta(days=3)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=6)


@dataclass(frozen=True)
class Line:
    """One notification of a message."""

    notification_id: int
    text: str


@dataclass(frozen=True)
class Message:
    """Letter of notifications to send to one address now; `trusted` is an address of the operator's."""

    address_id: int
    url: str
    trusted: bool
    lines: tuple[Line, ...]


def add_address(db: Session, user_id: int, url: str, now: datetime, key_id: int | None = None) -> Address:
    """Keep an address; notifications written from now on go there. The same again is the same one.

    One that was added with a key goes with it; added by a login (`key_id` None) too, it stays.
    """
    mine = list_addresses(db, user_id)
    if same := next((address for address in mine if address.url == url), None):
        same.key_id = same.key_id if key_id else None
        db.add(same)
        return same
    if len(mine) >= MOST_ADDRESSES:
        raise RefusedError(f"addresses: {MOST_ADDRESSES} are kept already, delete one first")
    if not mine:
        told = (col(Notification.user_id) == user_id, col(Notification.queued_at).is_(None))
        db.connection().execute(sa.update(Notification).where(*told).values(queued_at=now))
    address = Address(user_id=user_id, url=url, key_id=key_id, created_at=now)
    db.add(address)
    db.flush()
    return address


def list_addresses(db: Session, user_id: int | None) -> Sequence[Address]:
    """List a user's addresses (None: the operator's), oldest first."""
    owner = col(Address.user_id).is_(None) if user_id is None else col(Address.user_id) == user_id
    return db.exec(select(Address).where(owner).order_by(col(Address.id))).all()


def delete_address(db: Session, user_id: int | None, address_id: int) -> bool:
    """Forget an address and its open deliveries; False if it is not this user's."""
    found = db.get(Address, address_id)
    if found is None or found.user_id != user_id:
        return False
    db.connection().execute(sa.delete(Delivery).where(col(Delivery.address_id) == address_id))
    db.delete(found)
    db.flush()
    return True


def delete_addresses_of_key(db: Session, user_id: int, key_id: int) -> None:
    """Forget the addresses that a user's key added, and their open deliveries."""
    for address in list_addresses(db, user_id):
        if address.key_id == key_id:
            delete_address(db, user_id, address.id)


def keep_operator_addresses(db: Session, urls: Collection[str], now: datetime) -> None:
    """Make the operator's addresses those of the settings; one that stays keeps its open deliveries."""
    known = {address.url: address for address in list_addresses(db, None)}
    for url in known.keys() - set(urls):
        delete_address(db, None, known[url].id)
    db.add_all(Address(url=url, created_at=now) for url in dict.fromkeys(urls) if url not in known)
    db.flush()


def read_muted(db: Session, user_id: int) -> set[str]:
    """Return the kinds that a user does not want delivered."""
    found = db.get(Inbox, user_id)
    return set(found.muted.split()) if found else set()


def set_delivered(db: Session, user_id: int, kinds: Collection[NoticeKind]) -> None:
    """Deliver these kinds to a user from now on, and no others. Kinds that come up later are delivered."""
    inbox = inbox_of(db, user_id)
    inbox.muted = " ".join(sorted(kind.value for kind in NoticeKind if kind not in set(kinds)))
    db.add(inbox)


def expectant(db: Session) -> list[int]:
    """List the users who have an address and want to hear of settled sessions."""
    query = sa.select(col(Address.user_id), col(Inbox.muted)).outerjoin(
        Inbox, col(Inbox.user_id) == col(Address.user_id)
    )
    rows = db.execute(query.where(col(Address.user_id).is_not(None)).distinct()).all()
    wanted = {NoticeKind.SETTLED.value, NoticeKind.ORDERS_REFUSED.value}
    return sorted(user_id for user_id, muted in rows if wanted - set((muted or "").split()))


def is_queue_waiting(db: Session) -> bool:
    """Whether a notification waits to be queued."""
    return db.exec(select(Notification.id).where(col(Notification.queued_at).is_(None)).limit(1)).first() is not None


def queue(db: Session, now: datetime, since: datetime) -> int:
    """Queue new notifications for every address that wants them; return how many deliveries that are.

    Notifications from before `since`, by the home's clock, are too old to send: nothing was sending for that long.
    """
    query = select(Notification).where(col(Notification.queued_at).is_(None)).order_by(col(Notification.id))
    fresh = db.exec(query.limit(QUEUED_AT_ONCE)).all()
    if not fresh:
        return 0
    addresses: dict[int | None, list[int]] = {}
    allowed = sa.or_(col(Address.user_id).is_(None), col(User.disabled_at).is_(None))
    owned = sa.select(col(Address.user_id), col(Address.id)).outerjoin(User, col(User.id) == col(Address.user_id))
    for user_id, address_id in db.execute(owned.where(allowed)):
        addresses.setdefault(user_id, []).append(address_id)
    muted = {inbox.user_id: set(inbox.muted.split()) for inbox in db.exec(select(Inbox).where(Inbox.muted != ""))}
    rows = [
        {"notification_id": each.id, "address_id": address_id, "queued_at": now, "sent_at": None, "given_up_at": None}
        for each in fresh
        if each.created_at >= since and (each.user_id is None or each.kind not in muted.get(each.user_id, ()))
        for address_id in addresses.get(each.user_id, ())
    ]
    if rows:
        # A matter of the operator's that is back has been delivered once before.
        again = insert_into(db, Delivery).on_conflict_do_update(
            index_elements=["notification_id", "address_id"],
            set_={"queued_at": now, "sent_at": None, "given_up_at": None},
        )
        db.connection().execute(again, rows)
    known = [{"id_": each.id} for each in fresh]
    mark = sa.update(Notification).where(col(Notification.id) == sa.bindparam("id_")).values(queued_at=now)
    db.connection().execute(mark, known)
    return len(rows)


def due_messages(db: Session, now: datetime) -> list[Message]:
    """List the messages to send now: for each address that is not waiting, its oldest lines."""
    unsent = (col(Delivery.sent_at).is_(None), col(Delivery.given_up_at).is_(None))
    ready = sa.or_(col(Address.next_at).is_(None), col(Address.next_at) <= now)
    waiting = sa.select(col(Delivery.address_id)).where(*unsent)
    messages = []
    for address in db.exec(select(Address).where(ready, col(Address.id).in_(waiting)).order_by(col(Address.id))):
        lines = db.execute(
            sa.select(col(Notification.id), col(Notification.text))
            .join(Delivery, col(Delivery.notification_id) == col(Notification.id))
            .where(col(Delivery.address_id) == address.id, *unsent)
            .order_by(col(Notification.id))
            .limit(MOST_LINES)
        )
        message = tuple(Line(id_, text) for id_, text in lines)
        messages.append(Message(address.id, address.url, address.user_id is None, message))
    return messages


def mark_sent(db: Session, message: Message, now: datetime) -> None:
    """Remember that a message arrived."""
    address = db.get(Address, message.address_id)
    if address is not None:  # else it was deleted meanwhile
        address.failures, address.next_at = 0, None
        db.add(address)
    _close(db, message, sent_at=now)


def mark_failed(db: Session, message: Message, now: datetime) -> int:
    """Let an address rest before the next attempt, twice as long each time; give up deliveries three days old.

    Returns how many notifications were given up.
    """
    address = db.get(Address, message.address_id)
    if address is None:
        return 0
    address.next_at = now + min(FIRST_PAUSE * 2 ** min(address.failures, 20), LONGEST_PAUSE)
    address.failures += 1
    db.add(address)
    return _close(db, message, given_up_at=now, queued_before=now - GIVE_UP_AFTER)


def _close(db: Session, message: Message, queued_before: datetime | None = None, **values: datetime) -> int:
    ids = [line.notification_id for line in message.lines]
    where = [col(Delivery.address_id) == message.address_id, col(Delivery.notification_id).in_(ids)]
    if queued_before is not None:
        where.append(col(Delivery.queued_at) < queued_before)
    return db.connection().execute(sa.update(Delivery).where(*where).values(**values)).rowcount


def count_open(db: Session) -> int:
    """Count the open deliveries."""
    unsent = (col(Delivery.sent_at).is_(None), col(Delivery.given_up_at).is_(None))
    return db.exec(select(func.count()).select_from(Delivery).where(*unsent)).one()
