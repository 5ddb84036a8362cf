"""Notifications to users and the operator: written once for each key, resolved when the cause is gone."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.models.enums import NoticeKind
from countersign.models.tables.operations import Notification
from countersign.store.ledger.inserts import insert_into


def notify(db: Session, key: str, kind: str, text: str, now: datetime, user_id: int | None = None) -> bool:
    """Notify a user (None: the operator); return whether it is new. A resolved matter that is back is new."""
    found = db.exec(select(Notification).where(Notification.key == key)).one_or_none()
    if found is None:
        db.add(Notification(key=key, kind=kind, text=text, created_at=now, user_id=user_id))
        return True
    news = found.resolved_at is not None
    if news:
        found.created_at, found.read_at, found.resolved_at, found.queued_at = now, None, None, None
    found.text = text
    db.add(found)
    return news


def notice(key: str, kind: NoticeKind, text: str, now: datetime, user_id: int) -> dict[str, Any]:
    """Make one row for `notify_users`."""
    return {"key": key, "kind": kind.value, "text": text, "created_at": now, "user_id": user_id}


def notify_users(db: Session, notices: Sequence[dict[str, Any]]) -> int:
    """Notify many users at once; a notification under the same key is left as it is. Return how many are new."""
    if not notices:
        return 0
    fresh = insert_into(db, Notification).on_conflict_do_nothing(index_elements=["key"])
    return db.connection().execute(fresh, list(notices)).rowcount


def resolve(db: Session, key: str, now: datetime) -> None:
    """Resolve the notification of this key, if there is one."""
    found = db.exec(select(Notification).where(Notification.key == key)).one_or_none()
    if found and found.resolved_at is None:
        found.resolved_at = now
        db.add(found)


def is_open(db: Session, *keys: str) -> bool:
    """Whether any of these keys has a notification that is not resolved."""
    query = select(Notification.id).where(col(Notification.key).in_(keys), col(Notification.resolved_at).is_(None))
    return db.exec(query.limit(1)).first() is not None


def open_alerts(db: Session) -> list[Notification]:
    """List the operator's notifications that are not resolved, oldest first."""
    query = select(Notification).where(col(Notification.user_id).is_(None), col(Notification.resolved_at).is_(None))
    return list(db.exec(query.order_by(col(Notification.created_at))))


def list_notifications(
    db: Session, user_id: int, *, unread_only: bool, limit: int, offset: int
) -> Sequence[Notification]:
    """List a user's notifications, newest first."""
    query = select(Notification).where(Notification.user_id == user_id)
    if unread_only:
        query = query.where(col(Notification.read_at).is_(None))
    return db.exec(query.order_by(col(Notification.id).desc()).limit(limit).offset(offset)).all()


def count_unread(db: Session, user_id: int) -> int:
    """Count a user's unread notifications."""
    query = select(func.count()).where(Notification.user_id == user_id, col(Notification.read_at).is_(None))
    return db.exec(query.select_from(Notification)).one()


def mark_read(db: Session, user_id: int, notification_id: int, now: datetime) -> Notification | None:
    """Mark a notification as read, if it is this user's; the first time counts."""
    found = db.get(Notification, notification_id)
    if found is None or found.user_id != user_id:
        return None
    found.read_at = found.read_at or now
    db.add(found)
    return found


def mark_all_read(db: Session, user_id: int, now: datetime) -> int:
    """Mark all of a user's notifications as read; return how many were not."""
    unread = (col(Notification.user_id) == user_id, col(Notification.read_at).is_(None))
    return db.connection().execute(sa.update(Notification).where(*unread).values(read_at=now)).rowcount
