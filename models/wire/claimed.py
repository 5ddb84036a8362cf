"""Wire shapes of claimed performance: a NAV history by the researcher, and its tracking against settled NAV."""

from datetime import datetime
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field

from countersign.models.enums import Verdict
from countersign.models.wire.base import Answer, Day, Request

MAX_NAV = 1e10


class ClaimedRecord(Request):
    """NAV at the end of a day, in any unit."""

    date: Day
    nav: float = Field(gt=0, le=MAX_NAV, examples=[1_000_000.00])


def _in_order(records: list[ClaimedRecord]) -> list[ClaimedRecord]:
    for before, record in pairwise(records):
        if record.date <= before.date:
            raise ValueError(f"expected each date after the one before, got {record.date} after {before.date}")
    return records


class NewClaimed(Request):
    """A NAV history: in order of dates, each once, none later than yesterday."""

    records: Annotated[list[ClaimedRecord], Field(min_length=2, max_length=5_000), AfterValidator(_in_order)] = Field(
        examples=[[{"date": "2024-01-02", "nav": 1_000_000.00}, {"date": "2024-01-03", "nav": 1_005_200.50}]]
    )


class ClaimedMeta(Answer):
    """Summary of a claimed performance by its own records, and its origin."""

    start_date: Day = Field(examples=["2024-01-02"])
    end_date: Day = Field(examples=["2024-12-31"])
    data_points: int = Field(examples=[240])
    total_return: float | None = Field(examples=[0.1523])
    sharpe: float | None = Field(description="annualised, risk-free rate 0; null: undefined", examples=[1.42])
    max_drawdown: float | None = Field(examples=[0.0834])
    after_activation: int = Field(description="records dated on or after activation: what is tracked", examples=[45])
    uploaded_at: datetime = Field(examples=["2026-05-14T10:00:00+00:00"])
    first_uploaded_at: datetime = Field(description="of the first upload ever", examples=["2026-05-14T10:00:00+00:00"])
    times_replaced: int = Field(description="uploads before this one, deleted ones included", examples=[0])


class ClaimedUploadedAnswer(ClaimedMeta):
    """Claimed performance as uploaded."""

    strategy_slug: str = Field(examples=["hs300-ml-alpha"])


class ClaimedRow(Answer):
    """A record; NAV starts from 1."""

    date: Day
    nav: float | None = Field(examples=[1.0052])
    daily_return: float | None = Field(description="against the record before; null: the first", examples=[0.0052])
    cumulative_return: float | None = Field(examples=[0.0052])
    drawdown: float | None = Field(description="below the highest NAV so far, as a positive fraction", examples=[0.0])
    after_activation: bool


class ClaimedAnswer(Answer):
    """A claimed performance."""

    meta: ClaimedMeta
    records: list[ClaimedRow]


class TrackingAnswer(Answer):
    """Tracking of the claim against NAV settled since activation, by the daily returns of both.

    A return counts where a settled session and the one before it are both claimed.
    """

    tracking_diff_annualized: float | None = Field(examples=[0.012])
    tracking_error_annualized: float | None = Field(examples=[0.031])
    correlation: float | None = Field(description="null: one of the two never moves", examples=[0.97])
    overlap_days: int = Field(description="common sessions, whether neighbours or not", examples=[45])
    verdict: Verdict


class BenchmarkedRow(ClaimedRow):
    """A record beside the benchmark."""

    benchmark_return: float | None = Field(description="of that day; null: not known", examples=[0.0031])


class ClaimedInRecord(Answer):
    """A claimed performance beside a track record; `tracking` is there once four daily returns are in common."""

    meta: ClaimedMeta
    records: list[BenchmarkedRow]
    tracking: TrackingAnswer | None = Field(default=None, description="absent with fewer daily returns in common")


class ClaimedDeletedAnswer(Answer):
    """The claimed performance is withdrawn."""

    deleted: bool = Field(examples=[True])
    data_points_removed: int = Field(examples=[240])
