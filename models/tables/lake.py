"""Files of the lake in the ledger: those that count, and those superseded."""

from datetime import date, datetime

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from countersign.models.tables.columns import identity, instant


class LakeFile(SQLModel, table=True):
    """A committed file. A file without a row does not exist for any reader; a superseded one is kept for provenance."""

    __tablename__ = "lake_file"
    __table_args__ = (
        Index(
            "uq_lake_file_current",
            "path",
            unique=True,
            sqlite_where=text("superseded_at IS NULL"),
            postgresql_where=text("superseded_at IS NULL"),
        ),
        Index("ix_lake_file_dataset_session", "dataset", "session"),
        Index("ix_lake_file_series", "series", "dataset"),
        Index("ix_lake_file_checked_at", "checked_at"),
    )

    id: int = identity()
    dataset: str
    session: date = Field(description="of its rows; of a series' file, which holds many, the newest")
    series: str | None = Field(default=None, description="a factor or pair, whose rows it holds; null: one session's")
    path: str = Field(description="relative to the lake's root")
    run: str = Field(description="what wrote it: a hash of its inputs, so that writing it again gives the same name")
    rows: int
    size_bytes: int
    sha256: str
    checked_as: str = Field(default="", description="identity of the file when its bytes were last found to be these")
    checked_at: datetime | None = instant(default=None)
    committed_at: datetime = instant()
    superseded_at: datetime | None = instant(default=None)
