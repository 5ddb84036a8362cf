"""Notifications: what somebody has to know. Told once for each key, resolved when it no longer holds."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from models.operations import Notification


def notify(db: Session, key: str, kind: str, text: str, now: datetime, user_id: int | None = None) -> bool:
    """Tell a user (None: the operator) something; return whether it is news. A resolved matter that is back is news."""
    found = db.exec(select(Notification).where(Notification.key == key)).one_or_none()
    if found is None:
        db.add(Notification(key=key, kind=kind, text=text, created_at=now, user_id=user_id))
        return True
    news = found.resolved_at is not None
    if news:
        found.created_at, found.read_at, found.resolved_at = now, None, None
    found.text = text
    db.add(found)
    return news


def tell_users(db: Session, notices: Sequence[dict[str, Any]]) -> int:
    """Tell many users something at once; what was told before under the same key is left as it is. Return the news."""
    if not notices:
        return 0
    insert = postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert
    fresh = insert(Notification).on_conflict_do_nothing(index_elements=["key"])
    return db.connection().execute(fresh, list(notices)).rowcount


def resolve(db: Session, key: str, now: datetime) -> None:
    """Close the matter, if it was ever raised."""
    found = db.exec(select(Notification).where(Notification.key == key)).one_or_none()
    if found and found.resolved_at is None:
        found.resolved_at = now
        db.add(found)


def open_matters(db: Session) -> list[Notification]:
    """List what the operator has been told and what still holds, oldest first."""
    query = select(Notification).where(col(Notification.user_id).is_(None), col(Notification.resolved_at).is_(None))
    return list(db.exec(query.order_by(col(Notification.created_at))))
