"""External signals in the ledger: sources, the state of their polling, signals, outcomes and gaps.

Times of polling are the machine's, also in a home with a simulated clock: a feed lives in real time.
"""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from countersign.models.tables.columns import identity, instant

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{1,48}$"
SCALPING = "SCALPING"
# The signal types that the feed of the adapter `cqs` knows.
SIGNAL_TYPES = ("SHORT TERM", "SHORT/MID TERM", SCALPING, "MID TERM", "LONG TERM")


class Source(SQLModel, table=True):
    """A feed, as the operator entered it. A removed one is kept: its signals still name it."""

    id: int = identity()
    name: str = Field(unique=True)
    adapter: str
    url: str
    key: str | None = Field(default=None, repr=False, description="a secret: it goes to the feed and nowhere else")
    exchange: str | None = None
    currency: str | None = None
    type: str | None = None
    every_seconds: int = Field(description="cadence")
    settings: str = Field(default="{}", repr=False, description="JSON of the adapter's own; `generic_json`: a mapping")
    created_at: datetime = instant()
    paused_at: datetime | None = instant(default=None)
    removed_at: datetime | None = instant(default=None)


class PollState(SQLModel, table=True):
    """Polling state of a source: all that the poller has to remember over a restart."""

    __tablename__ = "poll_state"

    source_id: int = Field(foreign_key="source.id", primary_key=True)
    due_at: datetime = instant()
    polled_at: datetime | None = instant(default=None)
    good_at: datetime | None = instant(default=None)
    failures: int = Field(default=0, description="in a row")
    trouble: str | None = Field(default=None, description="why the last poll failed, in words")
    stopped_at: datetime | None = instant(default=None)
    missing_fields: str = Field(
        default="",
        sa_column_kwargs={"server_default": ""},
        description="fields that no item of the newest answer with items had, joined by commas",
    )

    @property
    def missing(self) -> list[str]:
        """`missing_fields` as a list."""
        return self.missing_fields.split(",") if self.missing_fields else []


class PollTally(SQLModel, table=True):
    """Tally of the polls of one source within one hour, which starts at `hour` (UTC)."""

    __tablename__ = "poll_tally"

    source_id: int = Field(foreign_key="source.id", primary_key=True)
    hour: datetime = instant(primary_key=True)
    polls: int = 0
    failures: int = 0
    new: int = 0
    known: int = 0
    revised: int = 0
    quarantined: int = 0


class ExternalSignal(SQLModel, table=True):
    """One revision of one signal of a source. Append-only but for `last_seen_at`.

    Prices are decimal strings as the feed wrote them, without exponents. `raw` is the whole item as JSON, with the
    fields that have no column here; `content_sha256` is taken over its content, regardless of its spelling.
    """

    __tablename__ = "external_signal"
    __table_args__ = (
        UniqueConstraint("source_id", "external_id", "revision"),
        Index("ix_external_signal_source", "source_id", "id"),
    )

    id: int = identity()
    source_id: int = Field(foreign_key="source.id")
    external_id: str
    revision: int
    content_sha256: str
    published_at: datetime = instant()
    received_at: datetime = instant(index=True)
    last_seen_at: datetime = instant()
    exchange: str
    coin: str
    currency: str
    direction: str
    entry_low: str
    entry_high: str
    target1: str | None = None
    target2: str | None = None
    target3: str | None = None
    stop_loss: str
    type: str | None = None
    ask: str | None = None
    leverage: str | None = None
    risk_level: str | None = None
    raw: str


class ExternalOutcome(SQLModel, table=True):
    """Outcome of one revision of a signal, by the klines of `series`; see domain.external.outcomes for the words.

    Final once `decided_at` is set, until klines that it rests on change. Rows that are written at once share the next
    number of `change`: a reader of all rows up to one number asks for those above it.
    """

    __tablename__ = "external_outcome"

    signal_id: int = Field(foreign_key="external_signal.id", primary_key=True)
    series: str
    change: int = Field(index=True)
    outcome: str
    r_multiple: float | None = None
    entered_at: datetime | None = instant(default=None)
    stopped_at: datetime | None = instant(default=None)
    target1_at: datetime | None = instant(default=None)
    target2_at: datetime | None = instant(default=None)
    target3_at: datetime | None = instant(default=None)
    closed_at: datetime | None = instant(default=None)
    decided_at: datetime | None = instant(default=None)


class QuarantinedItem(SQLModel, table=True):
    """An item of a feed's answer that is no signal, and why. The same item again changes `last_seen_at` alone."""

    __tablename__ = "quarantined_item"
    __table_args__ = (UniqueConstraint("source_id", "raw_sha256"),)

    id: int = identity()
    source_id: int = Field(foreign_key="source.id")
    external_id: str | None = None
    reason: str
    raw: str = Field(description="JSON of the item, cut where it is very long")
    raw_sha256: str
    received_at: datetime = instant()
    last_seen_at: datetime = instant()


class Gap(SQLModel, table=True):
    """A stretch of time in which signals may have come and gone unseen; `ended_at` is null while it lasts."""

    __tablename__ = "external_gap"
    __table_args__ = (
        UniqueConstraint("source_id", "started_at"),
        Index(
            "uq_external_gap_open",
            "source_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: int = identity()
    source_id: int = Field(foreign_key="source.id")
    started_at: datetime = instant()
    ended_at: datetime | None = instant(default=None)
