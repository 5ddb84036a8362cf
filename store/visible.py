"""Which strategies everyone may see, and how their proof stands: from the ledger, so that hiding one holds at once."""

from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, func

from models.attestation import Seal, Timestamp
from models.enums import Universe
from models.signals import Signal
from models.strategies import Strategy
from models.users import User

FIELDS = ("slug", "name", "description", "universe", "holding_period", "execution_price", "status")
TIMES = ("created_at", "activated_at")


class Visible(NamedTuple):
    """A public strategy: its id, its capital (CNY), and what lists show of it."""

    id: int
    initial_capital: int
    shown: dict[str, Any]


class SealState(NamedTuple):
    """What the proof of a session rests on besides the lens; it changes whenever the proof does."""

    signal_id: int
    commit_sha: str | None
    timestamps: int


def find_visible(db: Session, slug: str) -> Visible | None:
    """Return the public strategy of that slug; None for a hidden one, as for one that never was."""
    found = db.execute(_query().where(col(Strategy.slug) == slug)).one_or_none()
    return _visible(found) if found else None


def list_visible(db: Session, universe: Universe | None, limit: int, offset: int) -> list[Visible]:
    """List public strategies, newest first."""
    query = _query() if universe is None else _query().where(col(Strategy.universe) == universe)
    rows = db.execute(query.order_by(col(Strategy.id).desc()).limit(limit).offset(offset))
    return [_visible(row) for row in rows]


def seal_state(db: Session, strategy_id: int, session: date) -> SealState | None:
    """Return how the newest revision for a session is sealed; None without a signal."""
    stamps = sa.select(func.count()).where(col(Timestamp.commit_sha) == col(Seal.commit_sha)).scalar_subquery()
    query = (
        sa.select(col(Signal.id), col(Seal.commit_sha), stamps)
        .outerjoin(Seal, col(Seal.signal_id) == col(Signal.id))
        .where(col(Signal.strategy_id) == strategy_id, col(Signal.session) == session)
        .order_by(col(Signal.revision).desc())
        .limit(1)
    )
    found = db.execute(query).one_or_none()
    return SealState(*found) if found else None


def _query() -> Any:
    columns = [col(getattr(Strategy, name)) for name in ("id", "initial_capital", *FIELDS, *TIMES)]
    joined = sa.select(*columns, col(User.nickname)).join(User, col(User.id) == col(Strategy.owner_id))
    return joined.where(col(Strategy.is_public).is_(True))


def _visible(row: Any) -> Visible:
    strategy_id, capital, *values, creator = row
    shown = dict(zip((*FIELDS, *TIMES), values, strict=True))
    return Visible(strategy_id, capital, shown | {"creator": creator})
