"""Terms of the strategies that a session settles."""

from datetime import date, datetime, time

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col

from countersign.domain.sessions import at, deadline
from countersign.domain.settlement.books import TERMS_SCHEMA
from countersign.models.enums import ExecutionPrice, StrategyStatus
from countersign.models.tables.strategies import StatusChange, Strategy

TERMS = tuple(TERMS_SCHEMA)[1:-1]


def read_terms(db: Session, session: date, first_id: int, last_id: int) -> pl.DataFrame:
    """Read the terms, as settlement takes them, of the strategies to settle at `session`, ids in [first_id, last_id].

    Those are the strategies that were activated before their deadline for it and not retired on an earlier date.
    `paused` is a strategy's state at that deadline, not its state now: a past session is settled as it was then.
    """
    deadlines = {price: deadline(session, price) for price in ExecutionPrice}
    begun = (
        sa.and_(col(Strategy.execution_price) == price, col(Strategy.activated_at) < closes_at)
        for price, closes_at in deadlines.items()
    )
    lasting = sa.or_(col(Strategy.retired_at).is_(None), col(Strategy.retired_at) >= at(session, time.min))
    strategies = (
        db.connection()
        .execute(
            sa.select(*(col(getattr(Strategy, name)) for name in ("id", "slug", *TERMS)))
            .where(col(Strategy.id).between(first_id, last_id), sa.or_(*begun), lasting)
            .order_by(col(Strategy.slug))
        )
        .all()
    )
    # Most strategies were activated once and never paused or retired: only the others' histories are read.
    interrupted = sa.select(col(StatusChange.strategy_id)).where(
        col(StatusChange.strategy_id).between(first_id, last_id),
        col(StatusChange.status).in_((StrategyStatus.PAUSED, StrategyStatus.RETIRED)),
    )
    changes = db.execute(
        sa.select(col(StatusChange.strategy_id), col(StatusChange.status), col(StatusChange.at))
        .where(col(StatusChange.strategy_id).in_(interrupted))
        .order_by(col(StatusChange.id))
    ).all()
    history: dict[int, list[tuple[str, datetime]]] = {}
    for strategy_id, status, since in changes:
        history.setdefault(strategy_id, []).append((status, since))
    rows = []
    for strategy_id, slug, *terms in strategies:
        standing = [status for status, since in history.get(strategy_id, ()) if since < deadlines[terms[1]]][-1:]
        rows.append((slug, *terms, standing in ([StrategyStatus.PAUSED], [StrategyStatus.RETIRED])))
    return pl.DataFrame(rows, schema=TERMS_SCHEMA, orient="row")
