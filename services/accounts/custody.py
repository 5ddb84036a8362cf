"""Custody: what the operator does for accounts that cannot help themselves. Each of it is in the audit log.

An account that lost every way in gets a code, with which its holder sets a password, once. The code is as good as the
account: it is kept as a hash, shown to the operator once, and never part of an address, which logs and histories keep.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, func, select

from countersign.models.enums import NoticeKind, StrategyStatus
from countersign.models.errors import InputError, RefusedError
from countersign.models.tables.accounts import UNCLAIMED, ApiKey, User
from countersign.models.tables.operations import OPERATOR, AuditEntry, account
from countersign.models.tables.strategies import Strategy
from countersign.services.accounts.accounts import change_profile, find_user, hash_key, list_keys, revoke_key
from countersign.services.notifications.addresses import delete_addresses_of_key
from countersign.services.notifications.notifications import notify
from countersign.services.strategies.lifecycle import find_strategy
from countersign.store.clock import wall_clock

CODE_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True)
class Listed:
    """An account as the operator sees it; `keys` are active ones, `strategies` those that are not retired."""

    id: int
    nickname: str
    email: str | None
    has_password: bool
    keys: int
    strategies: int
    tier: str
    admin: bool
    created_at: datetime
    disabled_at: datetime | None


def list_accounts(db: Session) -> list[Listed]:
    """List all accounts, oldest first."""
    active = select(ApiKey.user_id, func.count()).where(col(ApiKey.revoked_at).is_(None)).group_by(col(ApiKey.user_id))
    keys = dict(db.exec(active).all())
    unretired = select(Strategy.owner_id, func.count()).where(Strategy.status != StrategyStatus.RETIRED)
    strategies = dict(db.exec(unretired.group_by(col(Strategy.owner_id))).all())
    return [
        Listed(
            id=user.id,
            nickname=user.nickname,
            email=user.email,
            has_password=user.password_hash is not None,
            keys=keys.get(user.id, 0),
            strategies=strategies.get(user.id, 0),
            tier=user.tier,
            admin=user.is_admin,
            created_at=user.created_at,
            disabled_at=user.disabled_at,
        )
        for user in db.exec(select(User).order_by(col(User.id)))
    ]


def give_password_code(db: Session, who: str, now: datetime) -> tuple[User, str]:
    """Make a code for an account, in place of an earlier one; it is returned here and cannot be read again.

    RefusedError for an account that is disabled, `unclaimed` among them.
    """
    user = find_user(db, who)
    if user.disabled_at is not None:
        raise RefusedError(f"user: {user.nickname} is disabled; let it in again first")
    code = secrets.token_urlsafe(24)
    hashed = hash_key(code)
    user.code_hash, user.code_expires_at = hashed, wall_clock() + CODE_LIFETIME
    db.add(user)
    db.add(AuditEntry(at=now, actor=OPERATOR, action="password code given", subject=account(user.id)))
    text = "the operator made a code with which your password can be set; if you did not ask for it, say so in a ticket"
    notify(db, f"password code {hashed[:16]}", NoticeKind.ACCOUNT_CHANGED.value, text, now, user.id)
    return user, code


def find_by_code(db: Session, code: str) -> User:
    """Return the account whose code this is. RefusedError if it is unknown, used, replaced or too old."""
    hashed = hash_key(code)
    user = db.exec(select(User).where(User.code_hash == hashed)).one_or_none()
    good = user is not None and user.code_expires_at is not None and user.code_expires_at > wall_clock()
    if user is None or not good or not hmac.compare_digest(user.code_hash or "", hashed):
        raise RefusedError("code: not one that is good; a code is good once, for 24 hours, until a newer one is made")
    return user


def use_password_code(
    db: Session, code: str, now: datetime, *, password_hash: str, email: str | None, login: str
) -> User:
    """Set a password for a code, which is used up by that. Every login ends but `login`, the one that comes of it."""
    user = find_by_code(db, code)
    user = change_profile(db, user.id, email=email, password_hash=password_hash, login=login)
    db.add(AuditEntry(at=now, actor=account(user.id), action="password set by code", subject=account(user.id)))
    return user


def revoke_keys(db: Session, who: str, now: datetime) -> tuple[User, int]:
    """Revoke all keys of an account, with the notification addresses that came by them; return how many."""
    user = find_user(db, who)
    keys = list_keys(db, user.id)
    for key in keys:
        delete_addresses_of_key(db, user.id, key.id)
        revoke_key(db, user.id, key.id, now)
    line = AuditEntry(
        at=now, actor=OPERATOR, action="keys revoked", subject=account(user.id), detail=f"{len(keys)} keys"
    )
    db.add(line)
    return user, len(keys)


def give_strategy(db: Session, slug: str, who: str, now: datetime) -> Strategy:
    """Give an account a strategy of `unclaimed`, beyond its tier too: it was somebody's before. Its owner is told.

    InputError for a strategy of anybody else; RefusedError for an account that is disabled, `unclaimed` among them.
    """
    owned = select(Strategy.slug).join(User, col(User.id) == col(Strategy.owner_id))
    waiting = db.exec(owned.where(User.nickname == UNCLAIMED).order_by(Strategy.slug)).all()
    strategy = find_strategy(db, slug)
    if strategy is None or slug not in waiting:
        raise InputError("strategy", f"one of {UNCLAIMED}: {', '.join(waiting[:20]) or 'there is none'}", slug)
    user = find_user(db, who)
    if user.disabled_at is not None:
        raise RefusedError(f"user: {user.nickname} is disabled; let it in again first")
    before, strategy.owner_id = strategy.owner_id, user.id
    db.add(strategy)
    detail = f"{account(before)} to {account(user.id)}"
    db.add(AuditEntry(at=now, actor=OPERATOR, action="strategy given", subject=slug, detail=detail))
    text = (
        f"{slug} is yours: only the journal knew it, and the operator gave it to you. Signals whose content was lost"
        " are not traded; submit again before the deadline for a new revision"
    )
    notify(db, f"given {slug}", NoticeKind.ACCOUNT_CHANGED.value, text, now, user.id)
    return strategy
