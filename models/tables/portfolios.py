"""Multi-factor portfolios: which factors they combine, how, and the strategy that their signals are submitted for."""

from datetime import datetime

from sqlmodel import Field, SQLModel
from sqlmodel.sql.sqltypes import AutoString

from countersign.models.enums import FactorUniverse, PortfolioStatus, Weighting
from countersign.models.tables.columns import instant
from countersign.models.tables.factors import new_id
from countersign.models.terms import Title, TopN

MIN_MEMBERS = 2


class PortfolioTerms(SQLModel):
    """Terms of a portfolio, by its owner at its making; immutable afterwards."""

    name: Title
    universe: FactorUniverse = Field(sa_type=AutoString)
    weighting: Weighting = Field(default=Weighting.EQUAL, sa_type=AutoString)
    top_n: TopN = 50


class FactorPortfolio(PortfolioTerms, table=True):
    """A portfolio of factors. `strategy_id` is null until it is activated for the first time."""

    __tablename__ = "factor_portfolio"

    id: str = Field(default_factory=new_id, primary_key=True)
    owner_id: int = Field(foreign_key="user.id", index=True)
    status: PortfolioStatus = Field(default=PortfolioStatus.DRAFT, sa_type=AutoString, index=True)
    strategy_id: int | None = Field(default=None, foreign_key="strategy.id", unique=True)
    created_at: datetime = instant()
    activated_at: datetime | None = instant(default=None)


class PortfolioMember(SQLModel, table=True):
    """A factor in a portfolio."""

    __tablename__ = "portfolio_member"

    portfolio_id: str = Field(foreign_key="factor_portfolio.id", primary_key=True)
    factor_id: str = Field(foreign_key="factor.id", primary_key=True, index=True)
    added_at: datetime = instant()
