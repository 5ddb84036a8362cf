"""Strategies in the ledger: opening them and moving them through their states."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, time

import sqlalchemy as sa
from sqlmodel import Session, col, select

from countersign.domain.sessions import at
from countersign.models.enums import StrategyStatus, Universe
from countersign.models.errors import ConflictError, InputError, RefusedError
from countersign.models.names import nickname_key
from countersign.models.tables.accounts import User
from countersign.models.tables.operations import AuditEntry
from countersign.models.tables.strategies import StatusChange, Strategy, StrategyTerms

TRANSITIONS = {
    StrategyStatus.PENDING: {StrategyStatus.ACTIVE, StrategyStatus.RETIRED},
    StrategyStatus.ACTIVE: {StrategyStatus.PAUSED, StrategyStatus.RETIRED},
    StrategyStatus.PAUSED: {StrategyStatus.ACTIVE, StrategyStatus.RETIRED},
    StrategyStatus.RETIRED: set[StrategyStatus](),
}

# In the order of settlement's own schema, between the strategy's name and whether it is paused.


def ensure_user(db: Session, nickname: str, now: datetime) -> User:
    """Return the account of a nickname in any case; create a missing one."""
    user = db.exec(select(User).where(User.nickname_key == nickname_key(nickname))).one_or_none()
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


def live_universes(db: Session, session: date) -> list[Universe]:
    """List the universes of the strategies that are active or paused, or were when they were retired at `session`."""
    query = sa.select(col(Strategy.universe)).where(col(Strategy.activated_at).is_not(None))
    since = at(session, time.min)
    alive = query.where(sa.or_(col(Strategy.retired_at).is_(None), col(Strategy.retired_at) >= since))
    return sorted(Universe(universe) for universe in db.execute(alive.distinct()).scalars())


def list_strategies(
    db: Session, owner: User, status: StrategyStatus | None, *, limit: int, offset: int
) -> Sequence[Strategy]:
    """List an account's strategies in the order in which they were opened: of all statuses, or of one."""
    query = select(Strategy).where(Strategy.owner_id == owner.id)
    if status is not None:
        query = query.where(Strategy.status == status)
    return db.exec(query.order_by(col(Strategy.id)).limit(limit).offset(offset)).all()


def strategies_by_id(db: Session, ids: Collection[int]) -> dict[int | None, Strategy]:
    """Return the strategies of these ids, by id; one that does not exist is left out."""
    return {each.id: each for each in db.exec(select(Strategy).where(col(Strategy.id).in_(ids)))}


def read_owner_key(db: Session, strategy_id: int) -> str | None:
    """Return the public key that a strategy's signals are signed with; None if its terms name none."""
    return db.exec(select(Strategy.owner_key).where(Strategy.id == strategy_id)).one()
