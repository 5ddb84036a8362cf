"""Market in the ledger: instruments, corporate actions, universes, and the quality gate's verdicts."""

from datetime import date, datetime

from sqlmodel import Field, SQLModel

from countersign.models.tables.columns import instant


class CorporateAction(SQLModel, table=True):
    """A dividend or a split of one symbol, on the session from which on the price is without it."""

    __tablename__ = "corporate_action"

    symbol: str = Field(primary_key=True)
    session: date = Field(primary_key=True, index=True)
    cash: float = Field(description="CNY for each share held")
    bonus: float = Field(description="new shares for each share held")


class Instrument(SQLModel, table=True):
    """A share or an exchange-traded fund: its span of listing, and the value of one share after it."""

    __tablename__ = "instrument"

    symbol: str = Field(primary_key=True)
    name: str | None = None
    kind: str = Field(description="share or fund")
    board: str | None = Field(default=None, description="main, chinext, star, beijing or fund")
    listed: date | None = Field(default=None, index=True, description="first day of trading")
    delisted: date | None = Field(default=None, index=True, description="first day on which it is no longer listed")
    delisting_cash: float | None = Field(default=None, description="CNY paid for one share after its delisting")
    successor: str | None = Field(default=None, description="the symbol that its shares are exchanged for")
    successor_ratio: float | None = Field(default=None, description="shares of the successor for one share")


class UniverseMember(SQLModel, table=True):
    """A stretch of time in which a symbol belonged to a universe; `until` is null while it still does."""

    __tablename__ = "universe_member"

    universe: str = Field(primary_key=True)
    symbol: str = Field(primary_key=True)
    since: date = Field(primary_key=True)
    until: date | None = None


class QualityReport(SQLModel, table=True):
    """Report of the quality gate on one session's bars, from its newest run."""

    __tablename__ = "quality_report"

    session: date = Field(primary_key=True)
    bars_sha256: str = Field(description="of the bars it looked at; a report on other bars is out of date")
    verdict: str = Field(description="pass, warn or hold")
    findings: str = Field(description="JSON list")
    report: str = Field(description="the page for people, relative to the home folder; it is made after the verdict")
    checked_at: datetime = instant()
