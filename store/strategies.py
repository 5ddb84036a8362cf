"""Strategies in the ledger: opening them and moving them through their states."""

from datetime import datetime

from sqlmodel import Session, select

from models.enums import StrategyStatus
from models.errors import ConflictError, InputError, RefusedError
from models.operations import AuditEntry
from models.strategies import StatusChange, Strategy, StrategyTerms
from models.users import User

TRANSITIONS = {
    StrategyStatus.PENDING: {StrategyStatus.ACTIVE, StrategyStatus.RETIRED},
    StrategyStatus.ACTIVE: {StrategyStatus.PAUSED, StrategyStatus.RETIRED},
    StrategyStatus.PAUSED: {StrategyStatus.ACTIVE, StrategyStatus.RETIRED},
    StrategyStatus.RETIRED: set[StrategyStatus](),
}


def ensure_user(db: Session, nickname: str, now: datetime) -> User:
    """Return the account of that nickname, created if it is missing."""
    user = db.exec(select(User).where(User.nickname == nickname)).one_or_none()
    if user is None:
        user = User(nickname=nickname, created_at=now)
        db.add(user)
        db.flush()
    return user


def open_strategy(db: Session, owner: User, terms: StrategyTerms, now: datetime) -> Strategy:
    """Open a strategy, pending until its first signal. The same terms again are fine; other terms a ConflictError."""
    found = find_strategy(db, terms.slug)
    if found is not None:
        same = all(getattr(found, name) == value for name, value in terms.model_dump().items())
        if same and found.owner_id == owner.id:
            return found
        raise ConflictError(f"slug: {terms.slug} is taken")
    strategy = Strategy(**terms.model_dump(), owner_id=owner.id, status=StrategyStatus.PENDING, created_at=now)
    db.add(strategy)
    db.flush()
    db.add(StatusChange(strategy_id=strategy.id, status=StrategyStatus.PENDING, at=now))
    return strategy


def change_status(db: Session, strategy: Strategy, status: StrategyStatus, now: datetime, actor: str) -> None:
    """Move a strategy to another state. RefusedError where the state machine has no such step."""
    allowed = TRANSITIONS[StrategyStatus(strategy.status)]
    if status not in allowed:
        wanted = ", ".join(sorted(allowed)) or "nothing: it is final"
        raise RefusedError(f"status: {strategy.slug} is {strategy.status} and can become {wanted}, not {status}")
    strategy.status = status
    if status is StrategyStatus.ACTIVE and strategy.activated_at is None:
        strategy.activated_at = now
    if status is StrategyStatus.RETIRED:
        strategy.retired_at = now
    db.add(strategy)
    db.add(StatusChange(strategy_id=strategy.id, status=status, at=now))
    db.add(AuditEntry(at=now, actor=actor, action=f"strategy {status}", subject=strategy.slug))


def find_strategy(db: Session, slug: str) -> Strategy | None:
    """Return the strategy of that slug, or None."""
    return db.exec(select(Strategy).where(Strategy.slug == slug)).one_or_none()


def require_strategy(db: Session, slug: str) -> Strategy:
    """Return the strategy of that slug; InputError if there is none."""
    found = find_strategy(db, slug)
    if found is None:
        raise InputError("strategy", "the slug of a strategy", slug)
    return found
