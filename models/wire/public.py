"""Wire shapes of what everyone may read: health, calendar, public strategies, their records and their proofs."""

import datetime as dt
from typing import Any, Literal

from pydantic import Field

from models.enums import Event, ExecutionPrice, Side, StrategyStatus, Universe
from models.wire.base import Answer
from models.wire.claimed import ClaimedAnswer, ClaimedInRecord, TrackingAnswer


class HealthAnswer(Answer):
    """The platform is up and its ledger answers."""

    status: Literal["ok"]
    simulated: bool = Field(description="whether this platform lives by a simulated clock")
    now: dt.datetime
    settled_through: dt.date | None


class MonthAnswer(Answer):
    """The sessions of a month."""

    month: str = Field(examples=["2026-05"])
    trading_days: list[dt.date]
    count: int = Field(examples=[18])
    today: dt.date
    today_is_trading_day: bool | None = Field(description="null: today is past the calendar's horizon")
    next_trading_day: dt.date | None = Field(description="after today; null: past the calendar's horizon")


class DayAnswer(Answer):
    """Whether a day is a session."""

    date: dt.date
    is_trading_day: bool
    next_trading_day: dt.date | None = Field(description="after that day; null: past the calendar's horizon")
    today: dt.date


class CreatorCounts(Answer):
    """All strategies that the creator ever opened, hidden and retired ones included."""

    opened: int = Field(examples=[3])
    hidden: int = Field(description="of those, not public", examples=[1])
    retired: int = Field(description="of those, retired, hidden or not", examples=[1])


class PublicStrategy(Answer):
    """A public strategy and where it stands after its newest settled session."""

    slug: str = Field(examples=["hs300-ml-alpha"])
    name: str
    description: str | None
    universe: Universe
    holding_period: int
    execution_price: ExecutionPrice
    status: StrategyStatus
    creator: str = Field(examples=["user_a1b2c3d4"])
    creator_counts: CreatorCounts
    created_at: dt.datetime
    activated_at: dt.datetime | None
    trading_days: int = Field(description="settled sessions", examples=[45])
    has_claimed: bool = Field(description="whether there is a claimed performance")
    latest_date: dt.date | None
    nav: float | None = Field(description="CNY", examples=[1052300.50])
    total_return: float | None = Field(description="as a fraction of the initial capital", examples=[0.0523])
    daily_return: float | None
    evaluated: dt.date | None = Field(description="session of the newest evaluation, which what follows is of")
    score: float | None = Field(description="0 to 100; null before the 20th session", examples=[71.5])
    sharpe: float | None = Field(examples=[1.42])
    max_drawdown: float | None = Field(examples=[0.0834])
    psr: float | None = Field(description="probability that the true Sharpe ratio is above 0", examples=[0.93])


class PublicStrategiesAnswer(Answer):
    """Public strategies in the order asked for; a page past the end is empty."""

    strategies: list[PublicStrategy]
    total: int = Field(description="how many there are on all pages", examples=[1])


class Corrected(Answer):
    """What a correction changed: the session as it was settled first."""

    version: int = Field(description="the newest, which `nav` is from", examples=[2])
    first_nav: float = Field(description="nav of version 1, starting from 1 as `nav` does", examples=[1.0519])
    difference: float = Field(description="nav less first_nav; 0: only returns changed", examples=[0.0004])
    first_daily_return: float | None = Field(
        default=None, description="in version 1; only where it changed", examples=[0.0008]
    )
    first_benchmark_return: float | None = Field(
        default=None, description="in version 1, null: not known then; only where it changed", examples=[0.0003]
    )


class TrackRecordRow(Answer):
    """One settled session; `nav` starts from 1."""

    date: dt.date
    nav: float = Field(examples=[1.0523])
    daily_return: float | None
    cumulative_return: float | None
    benchmark_return: float | None = Field(description="of that day; null: not known")
    corrected: Corrected | None = Field(default=None, description="only where a correction changed nav or a return")


class TrackRecordAnswer(Answer):
    """All settled sessions, oldest first."""

    records: list[TrackRecordRow]
    claimed: ClaimedInRecord | None = Field(default=None, description="absent where nothing is claimed")
    creator_counts: CreatorCounts


class PublicClaimedAnswer(ClaimedAnswer):
    """A claimed performance, and how it compares with what was settled since activation."""

    tracking: TrackingAnswer | None = Field(None, description="absent with fewer than four daily returns in common")
    creator_counts: CreatorCounts


class AuditRow(Answer):
    """What a settled session was."""

    date: dt.date
    type: Event
    detail: str = Field(examples=["within holding period (3/10)"])


class AuditAnswer(Answer):
    """Settled sessions, newest first."""

    audit_log: list[AuditRow]
    total: int
    creator_counts: CreatorCounts


class VerifiedNav(Answer):
    """NAV of the session: cash and market values, exactly."""

    date: dt.date
    reported_nav: float = Field(description="CNY")
    cash: float = Field(description="CNY")
    daily_return: float | None
    cumulative_return: float | None
    benchmark_return: float | None
    event: Event
    detail: str


class VerifiedPosition(Answer):
    """What was held after the session."""

    symbol: str
    quantity: float
    close: float = Field(description="CNY a share")
    market_value: float = Field(description="CNY")


class VerifiedTrade(Answer):
    """An order, filled or refused."""

    symbol: str
    side: Side
    wanted: float
    filled: float
    price: float | None
    notional: float
    commission: float
    stamp_duty: float
    reason: str | None


class SealedSignal(Answer):
    """The signal of the session, and what proves when it was there."""

    revision: int
    signal_hash: str
    symbols_hash: str | None = Field(description="first 16 hex digits of SHA-256 of the sorted symbols; once settled")
    payload: str | None = Field(description="the sealed text, byte for byte; once settled")
    salt: str | None = Field(description="once settled")
    received_at: dt.datetime
    deadline: dt.datetime
    margin_seconds: float
    committed: bool
    commit_sha: str | None
    commit_time: dt.datetime | None
    time_class: str | None = Field(description="on_time, sealed_late or late; null: not sealed")
    evidence: str = Field(description="server_only, or tsa: a timestamp authority's token")
    tokens: list[str] = Field(description="paths of such tokens in the journal")
    record_path: str = Field(description="of the sealed record in the journal")
    github_raw_url: str | None = Field(description="of that record, where the journal's remote serves it")


class Verification(Answer):
    """Everything of one session."""

    nav: VerifiedNav | None = Field(description="null: not settled yet")
    positions: list[VerifiedPosition]
    signal_attestation: SealedSignal | None = Field(description="null: no signal for this session")
    trades: list[VerifiedTrade]


class Provenance(Answer):
    """What the session was settled with, by hash."""

    version: int
    bars_sha256: str
    rules_sha256: str
    manifest_sha256: str
    settled_at: dt.datetime
    manifest: dict[str, Any] = Field(description="inputs, and every file that was written")


class Version(Answer):
    """One version of a settled session: a correction is a new one, and the old ones stay."""

    version: int
    nav: float = Field(description="CNY, in that version")
    difference: float = Field(description="CNY, nav of the newest version less this one", examples=[0.0])
    daily_return: float | None = Field(description="in that version", examples=[0.0012])
    benchmark_return: float | None = Field(description="in that version; null: not known then", examples=[0.0003])
    settled_at: dt.datetime
    manifest_sha256: str
    commit_sha: str | None = Field(description="journal commit that holds its record; null: not yet")


class Instruction(Answer):
    """One step of checking it yourself."""

    step: str
    command: str


class VerifyAnswer(Answer):
    """The public proof of one session."""

    strategy: str
    date: dt.date
    simulated: bool
    creator_counts: CreatorCounts
    verification: Verification
    data_provenance: Provenance | None = Field(description="null: not settled yet")
    versions: list[Version] = Field(description="of the settled session, oldest first; more than one: it was corrected")
    how_to_verify: list[Instruction]
