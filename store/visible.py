"""Which strategies everyone may see, and what is shown of them: from the ledger, so that hiding one holds at once.

Hiding must not make a creator look better than they are: beside each strategy stand the counts of all of theirs.
"""

from collections.abc import Collection
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col

from models.enums import StrategyStatus, Universe
from models.strategies import Strategy
from models.users import User

FIELDS = ("slug", "name", "description", "universe", "holding_period", "execution_price", "status")
TIMES = ("created_at", "activated_at")


class CreatorCounts(NamedTuple):
    """How many strategies a creator ever opened, and how many of them are hidden, and are retired (hidden or not)."""

    opened: int
    hidden: int
    retired: int


class Visible(NamedTuple):
    """A public strategy, as far as its answers need it; `initial_capital` in CNY."""

    id: int
    initial_capital: int
    creator_counts: CreatorCounts


def read_visible(db: Session) -> dict[str, Visible]:
    """Return all public strategies, by slug."""
    counts = count_by_creator(db)
    columns = [col(getattr(Strategy, name)) for name in ("slug", "owner_id", "id", "initial_capital")]
    rows = db.execute(sa.select(*columns).where(col(Strategy.is_public).is_(True)))
    return {row.slug: Visible(row.id, row.initial_capital, counts[row.owner_id]) for row in rows}


def list_visible(db: Session, universe: Universe | None, limit: int, offset: int) -> list[dict[str, Any]]:
    """List public strategies, newest first: what lists show of each, but for its figures."""
    columns = [col(getattr(Strategy, name)) for name in ("owner_id", *FIELDS, *TIMES)]
    query = sa.select(*columns, col(User.nickname)).join(User, col(User.id) == col(Strategy.owner_id))
    query = query.where(col(Strategy.is_public).is_(True))
    if universe is not None:
        query = query.where(col(Strategy.universe) == universe)
    rows = db.execute(query.order_by(col(Strategy.id).desc()).limit(limit).offset(offset)).all()
    counts = count_by_creator(db, {row.owner_id for row in rows})
    names = (*FIELDS, *TIMES, "creator")
    return [
        dict(zip(names, shown, strict=True)) | {"creator_counts": counts[owner_id]._asdict()}
        for owner_id, *shown in rows
    ]


def count_by_creator(db: Session, owner_ids: Collection[int] | None = None) -> dict[int, CreatorCounts]:
    """Count the strategies of these creators, by default of all."""
    hidden = sa.case((col(Strategy.is_public).is_(True), 0), else_=1)
    retired = sa.case((col(Strategy.status) == StrategyStatus.RETIRED, 1), else_=0)
    query = sa.select(col(Strategy.owner_id), sa.func.count(), sa.func.sum(hidden), sa.func.sum(retired))
    if owner_ids is not None:
        query = query.where(col(Strategy.owner_id).in_(owner_ids))
    rows = db.execute(query.group_by(col(Strategy.owner_id)))
    return {owner_id: CreatorCounts(*counts) for owner_id, *counts in rows}
