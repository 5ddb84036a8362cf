"""Wire shapes of factors: `date` is the session."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from countersign.models.enums import FactorStatus, FactorUniverse
from countersign.models.targets import SYMBOL_PATTERN
from countersign.models.terms import Description, MeanIc, Title
from countersign.models.wire.base import Answer, Day, Moment, Request, word_of

MAX_DATES = 500

FactorName = Annotated[Title, Field(examples=["momentum_20d"])]


class NewFactor(Request):
    """A factor to open. Its claims are not checked; validation measures the figures that count."""

    name: FactorName
    universe: Annotated[FactorUniverse, word_of(FactorUniverse)] = Field(examples=["hs300"])
    description: Description | None = Field(default=None, examples=["20-day momentum factor"])
    expression: Description | None = Field(default=None, examples=["rank(ts_mean(close, 20))"])
    claimed_ic_mean: MeanIc | None = Field(default=None, examples=[0.035])
    claimed_ic_ir: float | None = Field(default=None, examples=[0.68])


class FactorChange(Request):
    """Change of a draft or rejected factor; anything else of it stays."""

    name: FactorName | None = None
    description: Description | None = Field(default=None, examples=["20-day momentum factor"])
    expression: Description | None = Field(default=None, examples=["rank(ts_mean(close, 20))"])

    @model_validator(mode="after")
    def _a_name_stays_a_name(self) -> Self:
        if "name" in self.model_fields_set and self.name is None:
            raise ValueError("name: expected a value, got null; leave it out to keep it")
        return self


class DayValues(Request):
    """One session's cross-section: the factor's value for each symbol after the close."""

    date: Day
    values: dict[Annotated[str, StringConstraints(pattern=SYMBOL_PATTERN)], float] = Field(
        min_length=1, examples=[{"600519.SH": 1.23, "600036.SH": -0.45}]
    )


class NewValues(Request):
    """Values to upload; they replace those of the same dates."""

    data: Annotated[list[DayValues], Field(min_length=1, max_length=MAX_DATES)] = Field(
        examples=[[{"date": "2025-01-02", "values": {"600519.SH": 1.23, "600036.SH": -0.45}}]]
    )


class ValuesUploadedAnswer(Answer):
    """Result of an upload."""

    uploaded: int = Field(description="sessions in this request", examples=[2])
    changed: int = Field(description="those of them whose values are news", examples=[2])
    skipped: int = Field(description="dates in this request that are not trading sessions", examples=[0])
    total_days: int = Field(description="sessions the factor has values for", examples=[145])
    status: FactorStatus


class ValuesStatusAnswer(Answer):
    """Extent of a factor's values."""

    total_days: int = Field(examples=[145])
    min_required: int = Field(examples=[120])
    ready: bool
    start_date: Day | None
    end_date: Day | None


class InSample(Answer):
    """In-sample figures by validation; null before it."""

    ic_mean: float | None = Field(examples=[0.031])
    ic_ir: float | None = Field(examples=[0.62])
    turnover: float | None = Field(examples=[0.24])
    sharpe: float | None = Field(examples=[1.35])
    fitness: float | None = Field(examples=[1.12])
    ic_decay: list[float | None] | None = Field(
        description="ic_mean at lags of 1 to 5 sessions", examples=[[0.031, 0.027, 0.022, 0.018, 0.015]]
    )
    coverage: float | None = Field(examples=[0.98])
    data_days: int | None = Field(examples=[145])
    max_correlation: float | None = Field(
        description="with another active factor of one's own; null: there is none", examples=[0.423]
    )
    newey_west_t: float | None = Field(description="t-statistic of the mean IC, lag 5; never a check", examples=[3.1])
    ic_sign_share: float | None = Field(
        description="share of sessions whose IC has the sign of the mean", examples=[0.58]
    )


class OutOfSample(Answer):
    """Out-of-sample figures by tracking since activation; null with fewer than 10 sessions."""

    ic_mean_30d: float | None = Field(examples=[0.028])
    ic_mean_60d: float | None = Field(examples=[0.029])
    ic_mean_120d: float | None = Field(examples=[0.03])
    start_date: Day | None
    sessions: int = Field(description="sessions that count", examples=[128])
    late: int = Field(description="sessions left out, because their values came when the price was known", examples=[2])


class Claimed(Answer):
    """Figures as the owner claims them."""

    ic_mean: float | None = Field(examples=[0.035])
    ic_ir: float | None = Field(examples=[0.68])


class Check(Answer):
    """One condition of admission."""

    name: str = Field(examples=["IC_MEAN"])
    metric: str = Field(examples=["ic_mean"])
    value: float | None = Field(examples=[0.031])
    threshold: float = Field(examples=[0.015])
    passed: bool


class YearStats(Answer):
    """A calendar year of the in-sample figures."""

    year: int = Field(examples=[2024])
    ic_mean: float | None = Field(examples=[0.031])
    ic_ir: float | None = Field(examples=[0.62])
    returns: float | None = Field(examples=[0.112])
    drawdown: float | None = Field(examples=[0.041])
    turnover: float | None = Field(examples=[0.24])
    days: int = Field(examples=[242])


class FactorAnswer(Answer):
    """A factor."""

    id: str = Field(examples=["0b0c2f6e-4f5a-4c1e-9f0e-0d2a6f2b7c11"])
    name: str = Field(examples=["momentum_20d"])
    universe: FactorUniverse
    status: FactorStatus
    description: str | None = Field(examples=["20-day momentum factor"])
    expression: str | None = Field(examples=["rank(ts_mean(close, 20))"])
    in_sample: InSample = Field(alias="is")
    os: OutOfSample
    claimed: Claimed
    checks: list[Check] | None
    reject_reason: str | None = Field(examples=["IC_MEAN: 0.011 is below 0.015"])
    yearly_stats: list[YearStats] | None
    submitted_at: Moment | None
    validated_at: Moment | None
    created_at: Moment


class FactorsAnswer(Answer):
    """Factors, in the order asked for."""

    factors: list[FactorAnswer]


class IcPoint(Answer):
    """A session's IC."""

    date: Day
    ic: float = Field(examples=[0.042])


class LsPoint(Answer):
    """A session's long-short return: the top quintile less the bottom one."""

    date: Day
    ls_return: float = Field(examples=[0.003])
    cumulative: float = Field(description="product of 1 + ls_return so far", examples=[1.003])


class ChartAnswer(Answer):
    """All series of a factor, as validation measured them."""

    ic_series: list[IcPoint]
    ls_cumulative_returns: list[LsPoint]
    yearly_stats: list[YearStats] | None


class FactorDetailAnswer(FactorAnswer):
    """A factor with its series."""

    ic_series: list[IcPoint]
    ls_cumulative_returns: list[LsPoint]


class ValidationAnswer(Answer):
    """State of a validation."""

    status: FactorStatus
    checks: list[Check] | None
    validated_at: Moment | None


class Correlation(Answer):
    """Correlation with another factor."""

    factor_id: str = Field(examples=["0b0c2f6e-4f5a-4c1e-9f0e-0d2a6f2b7c11"])
    name: str = Field(examples=["value_factor"])
    correlation: float | None = Field(
        description="mean Spearman correlation over common sessions; null: too little in common", examples=[0.423]
    )


class CorrelationsAnswer(Answer):
    """Correlations with one's active factors, the largest absolute value first."""

    correlations: list[Correlation]


class IcSeriesAnswer(Answer):
    """Sessions with their IC, oldest first."""

    records: list[IcPoint]
