"""Wire shapes of multi-factor portfolios."""

from typing import Annotated

from pydantic import Field

from countersign.models.enums import FactorStatus, FactorUniverse, PortfolioStatus, StrategyStatus, Weighting
from countersign.models.terms import Title, TopN
from countersign.models.wire.base import Answer, Day, Moment, Request, SealEvidence, Sha256, word_of

PortfolioName = Annotated[Title, Field(examples=["momentum_value"])]


class NewPortfolio(Request):
    """A portfolio to make; all of it is immutable afterwards but its members."""

    name: PortfolioName
    universe: Annotated[FactorUniverse, word_of(FactorUniverse)] = Field(examples=["hs300"])
    weighting: Annotated[Weighting, word_of(Weighting)] = Weighting.EQUAL
    top_n: TopN = Field(default=50, description="symbols to hold, 1/top_n each", examples=[50])


class NewMember(Request):
    """An active factor of one's own, of the same universe."""

    factor_id: Annotated[str, Field(max_length=100)] = Field(examples=["0b0c2f6e-4f5a-4c1e-9f0e-0d2a6f2b7c11"])


class MemberAnswer(Answer):
    """A factor in a portfolio."""

    factor_id: str = Field(examples=["0b0c2f6e-4f5a-4c1e-9f0e-0d2a6f2b7c11"])
    name: str = Field(examples=["momentum_20d"])
    status: FactorStatus
    ic_mean: float | None = Field(examples=[0.031])
    ic_ir: float | None = Field(examples=[0.62])
    added_at: Moment


class StrategyOfPortfolio(Answer):
    """The strategy that a portfolio's signals are submitted for."""

    slug: str = Field(examples=["mf-0b0c2f6e-momentum-value"])
    name: str = Field(examples=["momentum_value"])
    status: StrategyStatus


class PortfolioShape(Answer):
    """A portfolio."""

    id: str = Field(examples=["0b0c2f6e-4f5a-4c1e-9f0e-0d2a6f2b7c11"])
    name: str = Field(examples=["momentum_value"])
    universe: FactorUniverse
    weighting: Weighting
    top_n: int = Field(examples=[50])
    status: PortfolioStatus
    created_at: Moment
    activated_at: Moment | None
    members: list[MemberAnswer]
    strategy: StrategyOfPortfolio | None = Field(description="null before the first activation")


class PortfoliosAnswer(Answer):
    """Portfolios, newest first."""

    portfolios: list[PortfolioShape]


class SignalMade(Answer):
    """Signal made at activation; `reason` says why there is none."""

    trade_date: Day | None = Field(examples=["2026-05-14"])
    stock_count: int = Field(examples=[50])
    reason: str | None = Field(examples=["the deadline has passed"])


class ActivatedAnswer(PortfolioShape):
    """A portfolio after its activation."""

    signal: SignalMade


class PortfolioSignal(SealEvidence):
    """A signal of a portfolio's strategy, with the evidence of its time."""

    id: str = Field(examples=["4711"])
    trade_date: Day
    revision: int = Field(examples=[1])
    stock_count: int = Field(examples=[50])
    signal_hash: Sha256
    submitted_at: Moment
    is_settled: bool
    github_committed: bool


class PortfolioSignalsAnswer(Answer):
    """Signals, newest session first."""

    signals: list[PortfolioSignal]
