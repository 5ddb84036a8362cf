"""Reading external signals back: lists with a cursor, statistics of each source, gaps, and rows for the lens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, SQLModel, col, func

from countersign.models.tables.external import ExternalSignal, Gap, PollState, PollTally, QuarantinedItem, Source

SHOWN = (
    "external_id",
    "revision",
    "published_at",
    "received_at",
    "last_seen_at",
    "exchange",
    "coin",
    "currency",
    "direction",
    "entry_low",
    "entry_high",
    "target1",
    "target2",
    "target3",
    "stop_loss",
    "type",
    "ask",
    "leverage",
    "risk_level",
)
COUNTS = ("polls", "failures", "new", "known", "revised", "quarantined")


@dataclass(frozen=True)
class Wanted:
    """Which signals: None leaves a filter out. `all_revisions` false: only the newest of each signal."""

    source: str | None = None
    exchange: str | None = None
    coin: str | None = None
    currency: str | None = None
    direction: str | None = None
    type: str | None = None
    received_since: datetime | None = None
    all_revisions: bool = False


def read_signals(db: Session, wanted: Wanted, after: int, limit: int) -> list[dict[str, Any]]:
    """List signals in the order in which they came, from the one after the id `after` on; `id` is the cursor.

    Ids grow as rows are committed, as writers take turns: a reader that goes on from the last one misses none.
    """
    columns = [col(Source.name).label("source"), *_columns(ExternalSignal, ("id", *SHOWN))]
    query = sa.select(*columns).join(Source, col(Source.id) == col(ExternalSignal.source_id))
    query = query.where(col(ExternalSignal.id) > after)
    if wanted.source is not None:
        # By number, so that the index of a source's signals is used.
        number = sa.select(col(Source.id)).where(col(Source.name) == wanted.source).scalar_subquery()
        query = query.where(col(ExternalSignal.source_id) == number)
    for name in ("exchange", "coin", "currency", "direction", "type"):
        if getattr(wanted, name) is not None:
            query = query.where(getattr(ExternalSignal, name) == getattr(wanted, name))
    if wanted.received_since is not None:
        query = query.where(col(ExternalSignal.received_at) >= wanted.received_since)
    if not wanted.all_revisions:
        later = aliased(ExternalSignal)
        same = col(later.source_id) == ExternalSignal.source_id
        same &= col(later.external_id) == ExternalSignal.external_id
        newer = sa.select(col(later.id)).where(same & (col(later.revision) > ExternalSignal.revision))
        query = query.where(~newer.exists())
    return [dict(row) for row in db.execute(query.order_by(col(ExternalSignal.id)).limit(limit)).mappings()]


def read_statistics(db: Session) -> list[dict[str, Any]]:
    """List the counts of each source since it was entered, removed ones too, by name. Without keys and addresses."""
    sums = [func.sum(column).label(column.key) for column in _columns(PollTally, COUNTS)]
    tally = sa.select(*[col(PollTally.source_id), *sums]).group_by(col(PollTally.source_id)).subquery()
    gaps = sa.select(col(Gap.source_id), func.count().label("gaps")).group_by(col(Gap.source_id)).subquery()
    columns = [
        *_columns(Source, ("name", "adapter", "every_seconds", "paused_at", "removed_at")),
        *_columns(PollState, ("polled_at", "good_at", "stopped_at")),
        *(func.coalesce(tally.c[name], 0).label(name) for name in COUNTS),
        func.coalesce(gaps.c.gaps, 0).label("gaps"),
    ]
    query = (
        sa.select(*columns)
        .join(PollState, col(PollState.source_id) == col(Source.id))
        .outerjoin(tally, tally.c.source_id == col(Source.id))
        .outerjoin(gaps, gaps.c.source_id == col(Source.id))
        .order_by(col(Source.name))
    )
    return [dict(row) for row in db.execute(query).mappings()]


def read_gaps(db: Session, source: str | None, limit: int, offset: int) -> list[dict[str, Any]]:
    """List gaps, newest first; one that lasts has no end."""
    query: Any = sa.select(col(Source.name).label("source"), col(Gap.started_at), col(Gap.ended_at))
    query = query.join(Source, col(Source.id) == col(Gap.source_id))
    if source is not None:
        query = query.where(col(Source.name) == source)
    query = query.order_by(col(Gap.started_at).desc(), col(Gap.id).desc()).limit(limit).offset(offset)
    return [dict(row) for row in db.execute(query).mappings()]


def read_tallies(db: Session, since: datetime) -> list[dict[str, Any]]:
    """List the counts of polls of each source and hour, from the hour that holds `since` on."""
    hour = since.replace(minute=0, second=0, microsecond=0)
    query = sa.select(*[col(Source.name).label("source"), *_columns(PollTally, ("hour", *COUNTS))])
    query = query.join(Source, col(Source.id) == col(PollTally.source_id)).where(col(PollTally.hour) >= hour)
    return [dict(row) for row in db.execute(query.order_by(col(Source.name), col(PollTally.hour))).mappings()]


def read_quarantine(db: Session, source: str, limit: int, offset: int) -> list[dict[str, Any]]:
    """List the items of a source that were no signals, newest first."""
    names = ("external_id", "reason", "raw", "received_at", "last_seen_at")
    query = sa.select(*_columns(QuarantinedItem, names))
    query = query.join(Source, col(Source.id) == col(QuarantinedItem.source_id)).where(col(Source.name) == source)
    query = query.order_by(col(QuarantinedItem.id).desc()).limit(limit).offset(offset)
    return [dict(row) for row in db.execute(query).mappings()]


def newest_id(db: Session) -> int:
    """Return the id of the signal that came last; 0 where none did."""
    return int(db.execute(sa.select(func.max(ExternalSignal.id))).scalar() or 0)


def read_rows(db: Session, columns: Sequence[str], after: int, limit: int) -> list[sa.Row[Any]]:
    """Read signals after an id, in the order of ids: the id, the source's name, then these columns."""
    query = sa.select(*[col(ExternalSignal.id), col(Source.name), *_columns(ExternalSignal, columns)])
    query = query.join(Source, col(Source.id) == col(ExternalSignal.source_id)).where(col(ExternalSignal.id) > after)
    return list(db.execute(query.order_by(col(ExternalSignal.id)).limit(limit)))


def _columns(table: type[SQLModel], names: Sequence[str]) -> list[Any]:
    return [col(getattr(table, name)) for name in names]
