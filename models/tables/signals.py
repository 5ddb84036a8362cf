"""Signals: target portfolios as they were received. Append-only; a re-submission is a new revision."""

from datetime import date, datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from countersign.models.tables.columns import identity, instant


class Signal(SQLModel, table=True):
    """One revision of one strategy's signal for one session.

    `portfolio` is the text `symbol=weight`, space-separated, sorted by symbol, weights as plain decimal strings in
    (0, 1]. Together with strategy, session, revision and salt it gives the sealed payload byte for byte, so the payload
    itself is not stored a second time; `signal_hash` is that payload's hash (attestation: "What is sealed").

    A signal that was adopted from the journal, where only its seal was left, has an empty portfolio and salt: its
    content is lost.
    """

    __table_args__ = (
        UniqueConstraint("strategy_id", "session", "revision"),
        Index("ix_signal_session", "session", "strategy_id", "revision"),
    )

    id: int = identity()
    strategy_id: int = Field(foreign_key="strategy.id")
    session: date
    revision: int = Field(ge=1)
    portfolio: str
    symbols_count: int
    salt: str = Field(description="128 random bits in hex")
    signal_hash: str = Field(description="hex SHA-256, 64 digits")
    owner_signature: str | None = Field(default=None, description="of the hash, by the strategy's owner_key")
    received_at: datetime = instant()
    deadline: datetime = instant()

    @property
    def content_lost(self) -> bool:
        """Whether only the seal of the signal is left."""
        return not self.portfolio
