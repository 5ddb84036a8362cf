"""Wire shapes of external signals: sources (without their keys), signals, statistics, gaps."""

from typing import Literal

from pydantic import Field

from countersign.models.feeds import FeedMapping
from countersign.models.names import Name
from countersign.models.tables.external import NAME_PATTERN
from countersign.models.wire.base import Answer, Moment, Request, Text


class NewFeed(Request):
    """A feed to poll. The key is never shown again."""

    name: str = Field(pattern=NAME_PATTERN, examples=["cqs-free"])
    adapter: Literal["cqs", "generic_json"] = "cqs"
    url: Text = Field(max_length=500, examples=["https://api.cryptoqualitysignals.com"])
    key: Text | None = Field(None, max_length=200, examples=["FREE"])
    exchange: Name | None = Field(None, max_length=60, examples=["binance"])
    currency: Name | None = Field(None, max_length=60, examples=["USDT"])
    type: Name | None = Field(None, max_length=60, examples=["SCALPING"])
    every_seconds: int | None = Field(
        None, ge=10, le=86_400, description="cadence; default: 60 for SCALPING, else 180", examples=[60]
    )
    mapping: FeedMapping | None = Field(None, description="for generic_json alone")


class FeedChange(Request):
    """Change of a source: pause it, or let it go on, after trouble that stopped it too."""

    paused: bool = Field(examples=[True])


class FeedAnswer(Answer):
    """A source as the operator entered it, and the state of its polling."""

    name: str = Field(examples=["cqs-free"])
    adapter: str = Field(examples=["cqs"])
    url: str = Field(examples=["https://api.cryptoqualitysignals.com"])
    has_key: bool
    exchange: str | None = Field(examples=["binance"])
    currency: str | None = Field(examples=["USDT"])
    type: str | None = Field(examples=["SCALPING"])
    every_seconds: int = Field(examples=[60])
    state: Literal["polled", "paused", "stopped"]
    created_at: Moment
    polled_at: Moment | None
    good_at: Moment | None = Field(description="last poll that brought an answer")
    trouble: str | None = Field(description="why the last poll failed", examples=["HTTP 502"])
    gap_since: Moment | None = Field(description="since when its signals may come and go unseen")
    missing_fields: list[str] = Field(
        description="fields that are mapped or needed, and that no item of the newest answer had",
        examples=[["target3"]],
    )


class FeedsAnswer(Answer):
    """Sources, by name."""

    sources: list[FeedAnswer]


class FeedRemovedAnswer(Answer):
    """Confirmation of a removal: the source is polled no more; its signals stay."""

    name: str = Field(examples=["cqs-free"])
    removed: bool = Field(examples=[True])


class ExternalSignalAnswer(Answer):
    """One revision of a signal of somebody else's feed. Prices are decimal strings, as the feed wrote them."""

    id: int = Field(description="grows in the order in which signals came", examples=[42])
    source: str = Field(examples=["cqs-free"])
    external_id: str = Field(examples=["1847291"])
    revision: int = Field(examples=[1])
    published_at: Moment
    received_at: Moment
    last_seen_at: Moment
    exchange: str = Field(examples=["binance"])
    coin: str = Field(examples=["BTC"])
    currency: str = Field(examples=["USDT"])
    direction: Literal["LONG", "SHORT"]
    entry_low: str = Field(examples=["94250.5"])
    entry_high: str = Field(examples=["94400"])
    target1: str | None = Field(examples=["95800"])
    target2: str | None = Field(examples=["97000"])
    target3: str | None = Field(examples=["98500"])
    stop_loss: str = Field(examples=["93100"])
    type: str | None = Field(examples=["SHORT TERM"])
    ask: str | None = Field(examples=["94320.1"])
    leverage: str | None = Field(examples=["10"])
    risk_level: str | None = Field(examples=["3"])


class ExternalSignalsAnswer(Answer):
    """Signals in the order in which they came."""

    signals: list[ExternalSignalAnswer]
    next_cursor: int = Field(description="ask again with it: what comes after these", examples=[42])


class ShareAnswer(Answer):
    """Share of cases, with the 95 % interval after Wilson; shares are fractions, null of nothing."""

    hits: int = Field(examples=[6])
    of: int = Field(examples=[10])
    share: float | None = Field(examples=[0.6])
    low: float | None = Field(examples=[0.3127])
    high: float | None = Field(examples=[0.8318])


class RecordAnswer(Answer):
    """Outcomes of a source's signals, as first seen, by first touch; rates are of closed signals."""

    judged: int = Field(description="signals that there are klines for, and that were looked at", examples=[14])
    invalid: int = Field(description="without a sensible stop, zone or targets", examples=[0])
    pending: int = Field(description="not entered yet, or not covered by klines", examples=[1])
    expired: int = Field(description="not entered within 24 hours", examples=[2])
    open: int = Field(description="entered, neither stopped nor at the last target", examples=[1])
    closed: int = Field(description="stopped, or at the last target", examples=[10])
    mean_r: float | None = Field(
        description="mean result of closed signals, in multiples of the risk from entry to stop", examples=[0.21]
    )
    expired_rate: ShareAnswer = Field(description="of expired and closed signals")
    stop_rate: ShareAnswer = Field(description="closed signals that were stopped, after targets too")
    target1_rate: ShareAnswer = Field(description="of closed signals that name the target")
    target2_rate: ShareAnswer
    target3_rate: ShareAnswer


class FeedStatistics(Answer):
    """Statistics of a source since it was entered."""

    name: str = Field(examples=["cqs-free"])
    adapter: str = Field(examples=["cqs"])
    every_seconds: int = Field(examples=[60])
    state: Literal["polled", "paused", "stopped", "removed"]
    polled_at: Moment | None
    good_at: Moment | None
    polls: int = Field(examples=[1440])
    failures: int = Field(examples=[2])
    new: int = Field(description="signals seen for the first time", examples=[15])
    known: int = Field(description="signals seen again, unchanged", examples=[5120])
    revised: int = Field(description="revisions of signals seen before", examples=[3])
    quarantined: int = Field(description="items that were no signals", examples=[1])
    gaps: int = Field(examples=[1])
    outcomes: RecordAnswer


class StatisticsAnswer(Answer):
    """Sources, by name, removed ones too."""

    sources: list[FeedStatistics]


class GapAnswer(Answer):
    """Time in which a source's signals may have come and gone unseen."""

    source: str = Field(examples=["cqs-free"])
    started_at: Moment
    ended_at: Moment | None = Field(description="null: it lasts")


class GapsAnswer(Answer):
    """Gaps, newest first."""

    gaps: list[GapAnswer]


class QuarantinedAnswer(Answer):
    """An item of a feed that was no signal, and why."""

    external_id: str | None = Field(examples=["1847292"])
    reason: str = Field(examples=['buy_start: expected a positive number, got "-1"'])
    raw: str = Field(
        description="the item as JSON, cut where it is very long",
        examples=['{"id":1847292,"coin":"BTC","buy_start":"-1"}'],
    )
    received_at: Moment
    last_seen_at: Moment


class QuarantineAnswer(Answer):
    """Items that were no signals, newest first."""

    items: list[QuarantinedAnswer]
