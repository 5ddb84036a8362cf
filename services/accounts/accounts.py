"""Accounts in the ledger: invitations, passwords, API keys, and the operator's decisions.

Keys and invite codes are random enough that a plain hash of them is safe to keep; they are found by it, and compared in
constant time. The api hashes passwords and signs tokens.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, func, select

from countersign.models.enums import StrategyStatus
from countersign.models.errors import ConflictError, InputError, RefusedError
from countersign.models.names import nickname_key
from countersign.models.tables.accounts import TIERS, UNCLAIMED, ApiKey, InviteCode, User
from countersign.models.tables.operations import OPERATOR, AuditEntry, account
from countersign.models.tables.strategies import Strategy
from countersign.store.ledger.chunks import chunked

KEY_PREFIX = "csk_"
MAX_KEYS = 100


def create_invite(db: Session, uses: int, now: datetime) -> str:
    """Make an invite code for `uses` accounts; it is returned here and cannot be read again."""
    if uses < 1:
        raise InputError("uses", "at least 1", uses)
    code = secrets.token_urlsafe(16)
    invite = InviteCode(code_hash=hash_key(code), max_uses=uses, created_at=now)
    db.add(invite)
    db.flush()
    subject = f"invite:{invite.id}"
    db.add(AuditEntry(at=now, actor=OPERATOR, action="invite made", subject=subject, detail=f"for {uses} accounts"))
    return code


def accept_invite(db: Session, code: str, now: datetime) -> User:
    """Open an anonymous account of the default tier. RefusedError if the code is not known or used up."""
    found = db.exec(select(InviteCode).where(InviteCode.code_hash == hash_key(code))).one_or_none()
    if found is None or not hmac.compare_digest(found.code_hash, hash_key(code)):
        raise RefusedError("invite_code: not a code that was given out")
    if found.uses >= found.max_uses:
        raise RefusedError(f"invite_code: used up, it was good for {found.max_uses} accounts")
    found.uses += 1
    user = User(nickname=_free_nickname(db), created_at=now)
    db.add_all([found, user])
    db.flush()
    return user


def find_by_email(db: Session, email: str) -> User | None:
    """Return the account with that e-mail, in any case of letters, or None."""
    return db.exec(select(User).where(User.email == email.lower())).one_or_none()


def change_profile(
    db: Session,
    user_id: int,
    *,
    nickname: str | None = None,
    email: str | None = None,
    password_hash: str | None = None,
    login: str = "",
) -> User:
    """Change the given fields of an account; ConflictError if another one has the nickname or e-mail.

    A new password or e-mail ends every token given out before, except those of `login`, which set it; a new password
    ends the operator's code for one too.
    """
    user = db.get_one(User, user_id)
    ends_tokens = password_hash is not None
    if nickname is not None and nickname != user.nickname:
        # Two that differ in case alone would pass for each other.
        _set_unique(db, user, "nickname", nickname, col(User.nickname_key) == nickname_key(nickname))
    if email and email.lower() != user.email:
        _set_unique(db, user, "email", email.lower(), col(User.email) == email.lower())
        ends_tokens = True
    if password_hash is not None:
        user.password_hash = password_hash
        user.code_hash = user.code_expires_at = None
    if ends_tokens:
        user.token_epoch += 1
        user.kept_login = login or None
    db.add(user)
    return user


def _set_unique(db: Session, user: User, field: str, value: str, same: sa.ColumnElement[bool]) -> None:
    taken = ConflictError(f"{field}: {value} is taken")
    if db.exec(select(User.id).where(same, col(User.id) != user.id)).first() is not None:
        raise taken
    setattr(user, field, value)
    try:
        db.flush()
    except IntegrityError:  # taken since we looked: the database has the last word
        raise taken from None


def create_key(db: Session, user_id: int, name: str, now: datetime) -> tuple[ApiKey, str]:
    """Make a key; its text is returned here and cannot be read again. RefusedError beyond 100 keys."""
    count = db.exec(select(func.count()).where(ApiKey.user_id == user_id, col(ApiKey.revoked_at).is_(None))).one()
    if count >= MAX_KEYS:
        raise RefusedError(f"api keys: {MAX_KEYS} are active already, revoke one first")
    text = KEY_PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(user_id=user_id, name=name, key_hash=hash_key(text), last_four=text[-4:], created_at=now)
    db.add(key)
    db.flush()
    return key, text


def list_keys(db: Session, user_id: int) -> list[ApiKey]:
    """List an account's keys that are not revoked, oldest first."""
    query = select(ApiKey).where(ApiKey.user_id == user_id, col(ApiKey.revoked_at).is_(None))
    return list(db.exec(query.order_by(col(ApiKey.id))))


def revoke_key(db: Session, user_id: int, key_id: int, now: datetime) -> bool:
    """Revoke a key of this account, for good; False if it has no such active key."""
    found = db.get(ApiKey, key_id)
    if found is None or found.user_id != user_id or found.revoked_at is not None:
        return False
    found.revoked_at = now
    db.add(found)
    return True


def authenticate_key(db: Session, text: str) -> User | None:
    """Return the account whose active key this is, disabled or not; None for any other text."""
    key = find_key(db, text)
    return db.get_one(User, key.user_id) if key else None


def find_key(db: Session, text: str) -> ApiKey | None:
    """Return the active key of this text; None for any other text."""
    hashed = hash_key(text)
    found = db.exec(select(ApiKey).where(ApiKey.key_hash == hashed)).one_or_none()
    if found is None or found.revoked_at is not None or not hmac.compare_digest(found.key_hash, hashed):
        return None
    return found


def good_keys(db: Session, hashes: Collection[str]) -> set[str]:
    """Return those of these hashes whose keys are active, of accounts that are not disabled."""
    found = set[str]()
    query = sa.select(col(ApiKey.key_hash)).join(User, col(User.id) == col(ApiKey.user_id))
    query = query.where(col(ApiKey.revoked_at).is_(None), col(User.disabled_at).is_(None))
    for chunk in chunked(sorted(hashes)):
        found.update(db.execute(query.where(col(ApiKey.key_hash).in_(chunk))).scalars())
    return found


def hash_key(text: str) -> str:
    """Return the hash under which a key, or an invite code, is kept."""
    return hashlib.sha256(text.encode()).hexdigest()


def require_room(db: Session, user: User) -> None:
    """Raise RefusedError if the account has as many open strategies as its tier allows."""
    most = TIERS[user.tier]
    unretired = Strategy.status != StrategyStatus.RETIRED
    if db.exec(select(func.count()).where(Strategy.owner_id == user.id, unretired)).one() >= most:
        raise RefusedError(f"tier: {user.tier} allows {most} strategies that are not retired")


def find_user(db: Session, who: str) -> User:
    """Return the account of that nickname, e-mail or id; InputError if there is none."""
    if who.isdecimal():  # an id, though another account may have it as a nickname
        found = db.get(User, int(who)) if len(who) < 10 else None
    else:
        same = (User.nickname_key == nickname_key(who)) | (User.email == who.lower())
        found = db.exec(select(User).where(same)).first()
    if found is None:
        raise InputError("user", "the nickname, e-mail or id of an account", who)
    return found


def set_tier(db: Session, who: str, tier: str, now: datetime) -> User:
    """Give an account another tier; strategies beyond a lower tier's limit stay open."""
    if tier not in TIERS:
        raise InputError("tier", f"one of {', '.join(TIERS)}", tier)
    user = find_user(db, who)
    user.tier = tier
    db.add(user)
    db.add(AuditEntry(at=now, actor=OPERATOR, action=f"tier {tier}", subject=account(user.id)))
    return user


def disable_user(db: Session, who: str, now: datetime, *, disabled: bool = True) -> User:
    """Shut an account out, or let it in again. Its strategies go on as they are.

    While it is shut out its tokens still name it, so that an answer can say why and it can file a ticket; those tokens
    end when it is let in again, and its password code ends at once. RefusedError for letting `unclaimed` in.
    """
    user = find_user(db, who)
    if not disabled and user.nickname == UNCLAIMED:
        raise RefusedError(
            f"user: nobody may log in as {UNCLAIMED}; `countersign admin give-strategy` gives its strategies"
        )
    if not disabled and user.disabled_at is not None:
        user.token_epoch += 1
        user.kept_login = None
    user.disabled_at = (user.disabled_at or now) if disabled else None
    user.code_hash = user.code_expires_at = None
    db.add(user)
    action = "account disabled" if disabled else "account enabled"
    db.add(AuditEntry(at=now, actor=OPERATOR, action=action, subject=account(user.id)))
    return user


def grant_admin(db: Session, who: str, now: datetime, *, granted: bool = True) -> User:
    """Let an account enter and change external sources, or no longer."""
    user = find_user(db, who)
    user.is_admin = granted
    db.add(user)
    action = "admin granted" if granted else "admin revoked"
    db.add(AuditEntry(at=now, actor=OPERATOR, action=action, subject=account(user.id)))
    return user


def _free_nickname(db: Session) -> str:
    while True:
        nickname = f"user_{secrets.token_hex(4)}"
        if db.exec(select(User.id).where(User.nickname_key == nickname_key(nickname))).first() is None:
            return nickname
