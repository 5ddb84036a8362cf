"""Strategies: their immutable terms and the append-only history of their status."""

from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints
from sqlmodel import Field, SQLModel
from sqlmodel.sql.sqltypes import AutoString

from countersign.models.enums import ExecutionPrice, StrategyStatus, Universe
from countersign.models.names import Name, Prose
from countersign.models.ssh import PublicKey
from countersign.models.tables.columns import identity, instant

SLUG_PATTERN = r"^[a-z0-9][a-z0-9_-]{2,48}$"


class StrategyTerms(SQLModel):
    """Terms of a strategy, by its owner at its opening. All but name and description are immutable afterwards.

    The owner's key may still be given until the first signal.
    """

    slug: Annotated[str, StringConstraints(pattern=SLUG_PATTERN)]
    name: Name = Field(min_length=1, max_length=100)
    description: Prose | None = None
    universe: Universe = Field(default=Universe.HS300, sa_type=AutoString)
    execution_price: ExecutionPrice = Field(default=ExecutionPrice.OPEN, sa_type=AutoString)
    holding_period: int = Field(default=10, ge=1, le=60, description="minimum sessions between rebalances")
    initial_capital: int = Field(default=1_000_000, ge=100_000, le=100_000_000, description="CNY")
    commission_rate: float = Field(default=0.0003, ge=0, le=0.1)
    slippage_rate: float = Field(default=0.002, ge=0, le=0.1)
    is_public: bool = True
    owner_key: PublicKey | None = Field(default=None, description="Ed25519; only signals it signed are taken")


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
