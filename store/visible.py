"""Which strategies everyone may see, and what is shown of them: from the ledger, so that hiding one holds at once."""

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col

from models.enums import Universe
from models.strategies import Strategy
from models.users import User

FIELDS = ("slug", "name", "description", "universe", "holding_period", "execution_price", "status")
TIMES = ("created_at", "activated_at")


class Visible(NamedTuple):
    """A public strategy: its id, its capital (CNY), and what lists show of it."""

    id: int
    initial_capital: int
    shown: dict[str, Any]


def find_visible(db: Session, slug: str) -> Visible | None:
    """Return the public strategy of that slug; None for a hidden one, as for one that never was."""
    found = db.execute(_query().where(col(Strategy.slug) == slug)).one_or_none()
    return _visible(found) if found else None


def list_visible(db: Session, universe: Universe | None, limit: int, offset: int) -> list[Visible]:
    """List public strategies, newest first."""
    query = _query() if universe is None else _query().where(col(Strategy.universe) == universe)
    rows = db.execute(query.order_by(col(Strategy.id).desc()).limit(limit).offset(offset))
    return [_visible(row) for row in rows]


def public_slugs(db: Session) -> frozenset[str]:
    """Return the slugs of all public strategies."""
    return frozenset(db.execute(sa.select(col(Strategy.slug)).where(col(Strategy.is_public).is_(True))).scalars())


def _query() -> Any:
    columns = [col(getattr(Strategy, name)) for name in ("id", "initial_capital", *FIELDS, *TIMES)]
    joined = sa.select(*columns, col(User.nickname)).join(User, col(User.id) == col(Strategy.owner_id))
    return joined.where(col(Strategy.is_public).is_(True))


def _visible(row: Any) -> Visible:
    strategy_id, capital, *values, creator = row
    shown = dict(zip((*FIELDS, *TIMES), values, strict=True))
    return Visible(strategy_id, capital, shown | {"creator": creator})
