"""Wire shapes of performance: every metric of a public strategy as of its newest evaluation."""

from pydantic import Field

from countersign.models.wire.base import Answer, Day
from countersign.models.wire.public import CreatorCounts


class Metrics(Answer):
    """Metrics over all settled sessions, returns and rates as fractions; null: undefined."""

    total_return: float | None = Field(examples=[0.0523])
    annual_return: float | None = Field(examples=[0.3305])
    volatility: float | None = Field(examples=[0.2127])
    sharpe: float | None = Field(description="annualised; risk-free rate 0", examples=[1.42])
    max_drawdown: float | None = Field(description="positive", examples=[0.0834])
    calmar: float | None = Field(examples=[3.96])
    excess_return: float | None = Field(examples=[0.0211])
    excess_sharpe: float | None = Field(examples=[0.87])
    benchmark_return: float | None = Field(description="over the same sessions", examples=[0.0312])
    trading_days: int = Field(description="settled sessions evaluated", examples=[45])


class ScoreParts(Answer):
    """Points that add up to the score; null before the 20th session."""

    psr: float | None = Field(description="of 35", examples=[32.5])
    excess: float | None = Field(
        description="for the share of rolling excess Sharpe ratios above 0, of 20", examples=[14.0]
    )
    drawdown: float | None = Field(description="for a small one, of 20", examples=[12.3])
    length: float | None = Field(description="all from 252 sessions on, of 15", examples=[2.7])
    claim: float | None = Field(
        description="for a claim that is consistent with what was settled, of 10", examples=[10.0]
    )


class RollingValue(Answer):
    """Sharpe ratio of the returns in excess of the benchmark's, over the 60 sessions up to this one."""

    date: Day
    value: float | None = Field(examples=[0.87])


class PerformanceAnswer(Answer):
    """Figures of the newest evaluation; without one, they are null and the series is empty."""

    evaluated: Day | None = Field(description="session of the newest evaluation, which all of this is of")
    metrics: Metrics
    score: float | None = Field(description="0 to 100; null before the 20th session", examples=[71.5])
    score_parts: ScoreParts
    sortino: float | None = Field(examples=[2.05])
    turnover: float | None = Field(
        description="mean of a session's traded notional / NAV of the session before", examples=[0.083]
    )
    cost: float | None = Field(description="commission, duty and slippage so far / initial capital", examples=[0.0041])
    psr: float | None = Field(description="probability that the true Sharpe ratio is above 0", examples=[0.93])
    deflated_sharpe: float | None = Field(
        description="probability that it is above the best to be expected of as many trials without skill",
        examples=[0.71],
    )
    trials: int | None = Field(
        description="strategies the creator had opened by then, hidden and retired ones too", examples=[3]
    )
    min_track_record: int | None = Field(description="sessions that psr ≥ 0.95 takes at these moments", examples=[58])
    rolling_excess_sharpe: list[RollingValue] = Field(description="from the 60th session on")
    creator_counts: CreatorCounts
