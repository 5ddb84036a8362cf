"""Claimed performance: the NAV histories that researchers say their strategies had. Append-only."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from countersign.models.tables.columns import identity, instant


class ClaimedPerformance(SQLModel, table=True):
    """One upload. The current one of a strategy has no `superseded_at`; replaced and deleted ones stay.

    So the claim that any session was evaluated by stays known, and a withdrawn claim leaves a trace. `records` is the
    text `2024-01-02=1000000.0`, space-separated, in order of dates; it comes last, so that the other columns can be
    read without it.
    """

    __tablename__ = "claimed_performance"
    __table_args__ = (
        UniqueConstraint("strategy_id", "revision"),
        Index("ix_claimed_performance_current", "superseded_at", "strategy_id"),
    )

    id: int = identity()
    strategy_id: int = Field(foreign_key="strategy.id")
    revision: int = Field(ge=1, description="1 for the first upload ever, then counted up, past deletions too")
    data_points: int
    uploaded_at: datetime = instant()
    superseded_at: datetime | None = instant(default=None)
    records: str
