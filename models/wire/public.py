"""Wire shapes for everyone: health, calendar, public strategies, their records and their proofs."""

from typing import Any, Literal

from pydantic import Field

from countersign.models.enums import Event, ExecutionPrice, Side, StrategyStatus, Universe
from countersign.models.ssh import KEY_EXAMPLE, SIGNATURE_EXAMPLE
from countersign.models.wire.base import EXAMPLE_SHA256, Answer, Commit, Day, Moment, SealEvidence, Sha256, Symbol
from countersign.models.wire.claimed import ClaimedAnswer, ClaimedInRecord, TrackingAnswer

# Examples that do not fit into a field's line; the payload's hash is that of `Sha256`.
SEAL = "attestations/2026/2026-05-14/90/hs300-ml-alpha.1.json"
PAYLOAD = (
    '{"revision":1,"salt":"5f0c7a9e2b41d3865f0c7a9e2b41d386","session":"2026-05-14",'
    '"signals":[{"symbol":"000858.SZ","weight":"0.04"},{"symbol":"600519.SH","weight":"0.05"}],'
    '"strategy":"hs300-ml-alpha"}'
)
MANIFEST = {
    "schema": "countersign/settlement/v1",
    "session": "2026-05-14",
    "version": 1,
    "inputs": {"rules": EXAMPLE_SHA256, "previous": EXAMPLE_SHA256},
    "files": [{"path": "nav/2026-05-14/51caddc4e485d4e9-0.parquet", "rows": 3, "sha256": EXAMPLE_SHA256}],
}


class HealthAnswer(Answer):
    """The platform is up and its ledger answers."""

    status: Literal["ok"]
    simulated: bool = Field(description="whether this platform lives by a simulated clock")
    now: Moment
    settled_through: Day | None


class MonthAnswer(Answer):
    """The sessions of a month."""

    month: str = Field(examples=["2026-05"])
    trading_days: list[Day] = Field(examples=[["2026-05-06", "2026-05-07", "2026-05-08"]])
    count: int = Field(examples=[18])
    today: Day
    today_is_trading_day: bool | None = Field(description="null: today is past the calendar's horizon")
    next_trading_day: Day | None = Field(description="after today; null: past the calendar's horizon")


class DayAnswer(Answer):
    """Whether a day is a session."""

    date: Day
    is_trading_day: bool
    next_trading_day: Day | None = Field(description="after that day; null: past the calendar's horizon")
    today: Day


class CreatorCounts(Answer):
    """Counts of all strategies that the creator ever opened, hidden and retired ones included."""

    opened: int = Field(examples=[3])
    hidden: int = Field(description="of those, not public", examples=[1])
    retired: int = Field(description="of those, retired, hidden or not", examples=[1])


class PublicStrategy(Answer):
    """A public strategy and its state after its newest settled session."""

    slug: str = Field(examples=["hs300-ml-alpha"])
    name: str = Field(examples=["HS300 ML Alpha"])
    description: str | None = Field(examples=["Gradient-boosted ranks of the HS300, every ten sessions"])
    universe: Universe
    holding_period: int = Field(examples=[10])
    execution_price: ExecutionPrice
    status: StrategyStatus
    owner_key: str | None = Field(
        description="Ed25519 public key; every signal is signed with it", examples=[KEY_EXAMPLE]
    )
    creator: str = Field(examples=["user_a1b2c3d4"])
    creator_counts: CreatorCounts
    created_at: Moment
    activated_at: Moment | None
    trading_days: int = Field(description="settled sessions", examples=[45])
    has_claimed: bool = Field(description="whether there is a claimed performance")
    latest_date: Day | None
    nav: float | None = Field(description="CNY", examples=[1052300.50])
    total_return: float | None = Field(description="as a fraction of the initial capital", examples=[0.0523])
    daily_return: float | None = Field(examples=[0.0012])
    evaluated: Day | None = Field(description="session of the newest evaluation, which what follows is of")
    score: float | None = Field(description="0 to 100; null before the 20th session", examples=[71.5])
    sharpe: float | None = Field(examples=[1.42])
    max_drawdown: float | None = Field(examples=[0.0834])
    psr: float | None = Field(description="probability that the true Sharpe ratio is above 0", examples=[0.93])


class PublicStrategiesAnswer(Answer):
    """Public strategies in the order asked for; a page past the end is empty."""

    strategies: list[PublicStrategy]
    total: int = Field(description="how many there are on all pages", examples=[1])


class Corrected(Answer):
    """Session as it was settled first, before a correction."""

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

    date: Day
    nav: float = Field(examples=[1.0523])
    daily_return: float | None = Field(examples=[0.0012])
    cumulative_return: float | None = Field(examples=[0.0523])
    benchmark_return: float | None = Field(description="of that day; null: not known", examples=[0.0008])
    corrected: Corrected | None = Field(default=None, description="only where a correction changed nav or a return")


class TrackRecordAnswer(Answer):
    """All settled sessions, oldest first."""

    records: list[TrackRecordRow]
    claimed: ClaimedInRecord | None = Field(default=None, description="absent where nothing is claimed")
    creator_counts: CreatorCounts


class PublicClaimedAnswer(ClaimedAnswer):
    """A claimed performance, and its tracking against NAV settled since activation."""

    tracking: TrackingAnswer | None = Field(None, description="absent with fewer than four daily returns in common")
    creator_counts: CreatorCounts


class AuditRow(Answer):
    """Event of a settled session."""

    date: Day
    type: Event
    detail: str = Field(examples=["within holding period (3/10)"])


class AuditAnswer(Answer):
    """Settled sessions, newest first."""

    audit_log: list[AuditRow]
    total: int = Field(examples=[45])
    creator_counts: CreatorCounts


class VerifiedNav(Answer):
    """NAV of the session: cash and market values, exactly."""

    date: Day
    reported_nav: float = Field(description="CNY", examples=[1052300.50])
    cash: float = Field(description="CNY", examples=[746000.50])
    daily_return: float | None = Field(examples=[0.0012])
    cumulative_return: float | None = Field(examples=[0.0523])
    benchmark_return: float | None = Field(examples=[0.0008])
    event: Event
    detail: str = Field(examples=["within holding period (3/10)"])


class VerifiedPosition(Answer):
    """Position held after the session."""

    symbol: Symbol
    quantity: float = Field(examples=[200.0])
    close: float = Field(description="CNY a share", examples=[1531.50])
    market_value: float = Field(description="CNY", examples=[306300.00])


class VerifiedTrade(Answer):
    """An order, filled or refused."""

    symbol: Symbol
    side: Side
    wanted: float = Field(examples=[300.0])
    filled: float = Field(examples=[200.0])
    price: float | None = Field(examples=[1520.00])
    notional: float = Field(examples=[304000.00])
    commission: float = Field(examples=[91.20])
    stamp_duty: float = Field(examples=[0.0])
    reason: str | None = Field(examples=["CASH_SHORT"])


class SealedSignal(SealEvidence):
    """Signal of the session, with the evidence of its time."""

    revision: int = Field(examples=[1])
    signal_hash: Sha256
    symbols_hash: str | None = Field(
        description="first 16 hex digits of SHA-256 of the sorted symbols; once settled", examples=["ea884ee66bba8d78"]
    )
    payload: str | None = Field(description="the sealed text, byte for byte; once settled", examples=[PAYLOAD])
    salt: str | None = Field(description="once settled", examples=["5f0c7a9e2b41d3865f0c7a9e2b41d386"])
    owner_key: str | None = Field(description="the strategy's; null: it has none", examples=[KEY_EXAMPLE])
    owner_signature: str | None = Field(
        description="of the hash, by owner_key, namespace countersign-signal", examples=[SIGNATURE_EXAMPLE]
    )
    received_at: Moment = Field(examples=["2026-05-14T01:12:30.123456+00:00"])
    deadline: Moment = Field(examples=["2026-05-14T01:15:00+00:00"])
    committed: bool
    record_path: str = Field(
        description="of the sealed record in the journal",
        examples=[SEAL],
    )
    github_raw_url: str | None = Field(
        description="of that record, where the journal's remote serves it",
        examples=[f"https://raw.githubusercontent.com/example/journal/HEAD/{SEAL}"],
    )


class Verification(Answer):
    """Figures of one session: NAV, signal, positions and orders."""

    nav: VerifiedNav | None = Field(description="null: not settled yet")
    positions: list[VerifiedPosition]
    signal_attestation: SealedSignal | None = Field(description="null: no signal for this session")
    orders: list[VerifiedTrade] = Field(description="all of the session, filled or refused")
    trades: list[VerifiedTrade] = Field(description="the same as orders")


class Provenance(Answer):
    """Inputs of the session's settlement, by hash."""

    version: int = Field(examples=[1])
    bars_sha256: Sha256
    rules_sha256: Sha256
    manifest_sha256: Sha256
    settled_at: Moment
    manifest: dict[str, Any] = Field(description="inputs, and every file that was written", examples=[MANIFEST])


class Version(Answer):
    """One version of a settled session: a correction is a new one, and the old ones stay."""

    version: int = Field(examples=[1])
    nav: float = Field(description="CNY, in that version", examples=[1052300.50])
    difference: float = Field(description="CNY, nav of the newest version less this one", examples=[0.0])
    daily_return: float | None = Field(description="in that version", examples=[0.0012])
    benchmark_return: float | None = Field(description="in that version; null: not known then", examples=[0.0003])
    settled_at: Moment
    manifest_sha256: Sha256
    commit_sha: Commit | None = Field(description="journal commit that holds its record; null: not yet")


class Instruction(Answer):
    """One step of checking the proof yourself."""

    step: str = Field(examples=["Check the whole journal offline"])
    command: str = Field(examples=["countersign verify journal --strategy hs300-ml-alpha"])


class VerifyAnswer(Answer):
    """The public proof of one session."""

    strategy: str = Field(examples=["hs300-ml-alpha"])
    date: Day
    simulated: bool
    creator_counts: CreatorCounts
    verification: Verification
    data_provenance: Provenance | None = Field(description="null: not settled yet")
    versions: list[Version] = Field(description="of the settled session, oldest first; more than one: it was corrected")
    how_to_verify: list[Instruction]
