"""What the ledger knows of the market: corporate actions, universes, and the verdicts of the quality gate."""

from datetime import date, datetime

from sqlmodel import Field, SQLModel

from models.columns import instant


class CorporateAction(SQLModel, table=True):
    """A dividend or a split of one symbol, on the session from which on the price is without it."""

    __tablename__ = "corporate_action"

    symbol: str = Field(primary_key=True)
    session: date = Field(primary_key=True, index=True)
    cash: float = Field(description="CNY for each share held")
    bonus: float = Field(description="new shares for each share held")


class UniverseMember(SQLModel, table=True):
    """A stretch of time in which a symbol belonged to a universe; `until` is null while it still does."""

    __tablename__ = "universe_member"

    universe: str = Field(primary_key=True)
    symbol: str = Field(primary_key=True)
    since: date = Field(primary_key=True)
    until: date | None = None


class QualityReport(SQLModel, table=True):
    """What the quality gate said of one session's bars, the last time it looked."""

    __tablename__ = "quality_report"

    session: date = Field(primary_key=True)
    bars_sha256: str = Field(description="of the bars it looked at; a report on other bars is out of date")
    verdict: str = Field(description="pass, warn or hold")
    findings: str = Field(description="JSON list")
    report: str = Field(description="the page for people, relative to the home folder; empty where none was made")
    checked_at: datetime = instant()


class Instrument(SQLModel, table=True):
    """A share or fund: how long it was listed, and what its holders were given when it no longer was.

    `delisted` is the first day on which it is no longer listed. A share of it is exchanged for `delisting_cash`, for
    `successor_ratio` shares of `successor`, or for both; where neither is known it stays at its last close.
    """

    __tablename__ = "instrument"

    symbol: str = Field(primary_key=True)
    name: str | None = None
    kind: str
    board: str | None = None
    listed: date | None = Field(default=None, index=True)
    delisted: date | None = Field(default=None, index=True)
    delisting_cash: float | None = Field(default=None, description="CNY for each share held")
    successor: str | None = None
    successor_ratio: float | None = Field(default=None, description="shares of the successor for each share held")
