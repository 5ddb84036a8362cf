"""Settlement runs: the rows that make a session's results visible, all at once."""

from datetime import date, datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from countersign.models.tables.columns import identity, instant


class Settlement(SQLModel, table=True):
    """A settled session: its inputs and its results, by hash. A correction is a new version; both stay."""

    __table_args__ = (UniqueConstraint("session", "version"),)

    id: int = identity()
    session: date = Field(index=True)
    version: int = 1
    run: str = Field(description="hash of everything that went in")
    strategies: int
    bars_sha256: str
    rules_sha256: str
    manifest: str = Field(description="canonical JSON: inputs and the files written, with rows and SHA-256")
    manifest_sha256: str
    settled_at: datetime = instant()
    seconds: float | None = Field(default=None, description="from the plan to the commit, by the machine's own clock")
