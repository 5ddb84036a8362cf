"""Strategies: their immutable terms and the append-only history of their status."""

from datetime import datetime

from sqlmodel import Field, SQLModel
from sqlmodel.sql.sqltypes import AutoString

from countersign.models.enums import ExecutionPrice, StrategyStatus, Universe
from countersign.models.tables.columns import identity, instant
from countersign.models.terms import Capital, Description, HoldingPeriod, OwnerKey, Rate, Slug, Title


class StrategyTerms(SQLModel):
    """Terms of a strategy, by its owner at its opening. All but name and description are immutable afterwards.

    The owner's key may still be given until the first signal.
    """

    slug: Slug
    name: Title
    description: Description | None = None
    universe: Universe = Field(default=Universe.HS300, sa_type=AutoString)
    execution_price: ExecutionPrice = Field(default=ExecutionPrice.OPEN, sa_type=AutoString)
    holding_period: HoldingPeriod = 10
    initial_capital: Capital = 1_000_000
    commission_rate: Rate = 0.0003
    slippage_rate: Rate = 0.002
    is_public: bool = True
    owner_key: OwnerKey | None = Field(default=None, description="Ed25519; only signals it signed are taken")


class Strategy(StrategyTerms, table=True):
    """A strategy. `status` is the newest of its `StatusChange` rows, kept here for listing."""

    id: int = identity()
    owner_id: int = Field(foreign_key="user.id", index=True)
    slug: str = Field(unique=True)
    status: StrategyStatus = Field(default=StrategyStatus.PENDING, sa_type=AutoString)
    created_at: datetime = instant()
    activated_at: datetime | None = instant(default=None)
    retired_at: datetime | None = instant(default=None, index=True)


class StatusChange(SQLModel, table=True):
    """One step of the state machine. Append-only: a past session is settled by the status it had then."""

    __tablename__ = "status_change"

    id: int = identity()
    strategy_id: int = Field(foreign_key="strategy.id", index=True)
    status: StrategyStatus = Field(sa_type=AutoString)
    at: datetime = instant()
