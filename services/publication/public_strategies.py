"""Visible strategies: those that everyone may see, from the ledger, so that hiding one holds at once.

Hiding must not make a creator look better than they are: each strategy shows the counts of all of theirs.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col

from countersign.models.enums import StrategyStatus
from countersign.models.tables.accounts import User
from countersign.models.tables.strategies import Strategy
from countersign.models.wire.listing import StrategiesQuery
from countersign.services.evaluation.claimed_performance import current_uploads, is_claimed

FIELDS = ("slug", "name", "description", "universe", "holding_period", "execution_price", "status", "owner_key")
TIMES = ("created_at", "activated_at")


class CreatorTotals(NamedTuple):
    """How many strategies a creator ever opened, and how many of them are hidden, and are retired (hidden or not)."""

    opened: int
    hidden: int
    retired: int


class Visible(NamedTuple):
    """A public strategy, as far as its answers need it; `initial_capital` in CNY.

    `upload_id` is the current upload of its claimed performance, None where nothing is claimed.
    """

    id: int
    initial_capital: int
    creator_counts: CreatorTotals
    upload_id: int | None


def read_visible(db: Session) -> dict[str, Visible]:
    """Return all public strategies, by slug."""
    counts, uploads = count_by_creator(db), current_uploads(db)
    columns = [col(getattr(Strategy, name)) for name in ("slug", "owner_id", "id", "initial_capital")]
    rows = db.execute(sa.select(*columns).where(col(Strategy.is_public).is_(True)))
    # Read every second: by position, because a row's names cost more than all the rest.
    return {
        slug: Visible(number, capital, counts[owner_id], uploads.get(number))
        for slug, owner_id, number, capital in rows.tuples()
    }


def find_visible(db: Session, asked: StrategiesQuery) -> pl.DataFrame:
    """Find the public strategies that the ledger's filters leave: one column, slug, newest first."""
    query = sa.select(col(Strategy.id), col(Strategy.slug)).where(col(Strategy.is_public).is_(True))
    for name in ("universe", "status", "execution_price"):
        if getattr(asked, name) is not None:
            query = query.where(col(getattr(Strategy, name)) == getattr(asked, name))
    if asked.creator is not None:
        query = query.join(User, col(User.id) == col(Strategy.owner_id)).where(col(User.nickname) == asked.creator)
    if asked.has_claimed is not None:
        query = query.where(is_claimed() if asked.has_claimed else ~is_claimed())
    if asked.search is not None:
        texts = (col(Strategy.name), col(Strategy.slug))
        query = query.where(sa.or_(*(text.icontains(asked.search, autoescape=True) for text in texts)))
    found = query.subquery()
    # As one text: to take over ten thousand rows one by one costs ten times as much.
    pair = sa.cast(found.c.id, sa.String) + "=" + found.c.slug
    text = db.execute(sa.select(sa.func.aggregate_strings(pair, " "))).scalar_one()
    pairs = pl.Series("pair", text.split(" ") if text else [], dtype=pl.String).str.split_exact("=", 1).struct.unnest()
    newest_first = pairs.sort(pl.col("field_0").cast(pl.Int64), descending=True)
    return newest_first.select(pl.col("field_1").alias("slug"))


def describe_visible(db: Session, slugs: Sequence[str]) -> list[dict[str, Any]]:
    """Describe public strategies, in the order of `slugs`: the columns of lists, but for figures."""
    columns = [col(getattr(Strategy, name)) for name in ("id", "owner_id", *FIELDS, *TIMES)]
    query = sa.select(*columns, col(User.nickname)).join(User, col(User.id) == col(Strategy.owner_id))
    rows = {row.slug: row for row in db.execute(query.where(col(Strategy.slug).in_(slugs)))}
    counts = count_by_creator(db, {row.owner_id for row in rows.values()})
    claimed = current_uploads(db, {row.id for row in rows.values()})
    names = (*FIELDS, *TIMES, "creator")
    found = []
    for number, owner_id, *shown in (rows[slug] for slug in slugs):
        plain = dict(zip(names, shown, strict=True))
        found.append(plain | {"creator_counts": counts[owner_id]._asdict(), "has_claimed": number in claimed})
    return found


def count_by_creator(db: Session, owner_ids: Collection[int] | None = None) -> dict[int, CreatorTotals]:
    """Count the strategies of these creators, by default of all."""
    hidden = sa.case((col(Strategy.is_public).is_(True), 0), else_=1)
    retired = sa.case((col(Strategy.status) == StrategyStatus.RETIRED, 1), else_=0)
    query = sa.select(col(Strategy.owner_id), sa.func.count(), sa.func.sum(hidden), sa.func.sum(retired))
    if owner_ids is not None:
        query = query.where(col(Strategy.owner_id).in_(owner_ids))
    rows = db.execute(query.group_by(col(Strategy.owner_id)))
    return {owner_id: CreatorTotals(*counts) for owner_id, *counts in rows}
