"""Attestation in the ledger: seals with their commits of the journal, disclosures, pushes and timestamps."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from countersign.models.tables.columns import identity, instant

# Kinds of commits.
SEAL, REVEAL, TIMESTAMPS = "seal", "reveal", "timestamps"


class JournalCommit(SQLModel, table=True):
    """A commit of the journal that the sealer made. `committed_at` is its committer time: whole seconds, rounded up."""

    __tablename__ = "journal_commit"

    sha: str = Field(primary_key=True)
    kind: str = Field(description="seal, reveal, retirement, timestamps, rotation or other")
    committed_at: datetime = instant()
    pushed_at: datetime | None = instant(default=None, index=True)


class Seal(SQLModel, table=True):
    """One signal's place in the journal.

    Written before the commit is made, with `commit_sha` null: from then on the signal's record is fixed, its place in
    the chain included, and the signal cannot be deleted. `previous` is the signal hash of the strategy's record before.
    """

    __table_args__ = (Index("ix_seal_chain", "strategy_id", "signal_id"),)

    signal_id: int = Field(foreign_key="signal.id", primary_key=True)
    strategy_id: int = Field(foreign_key="strategy.id")
    previous: str
    commit_sha: str | None = Field(default=None, foreign_key="journal_commit.sha", index=True)


class Disclosure(SQLModel, table=True):
    """A settled day in the journal: its reveals and its record, in one commit for each version of the settlement."""

    settlement_id: int = Field(foreign_key="settlement.id", primary_key=True)
    commit_sha: str = Field(foreign_key="journal_commit.sha", index=True)


class Retirement(SQLModel, table=True):
    """A retired strategy whose end is in the journal.

    No foreign key for the commit: the ledger's commits can be made anew from the journal.
    """

    strategy_id: int = Field(foreign_key="strategy.id", primary_key=True)
    commit_sha: str


class JournalConflict(SQLModel, table=True):
    """A path at which the journal holds other bytes than ours. The strategy, or the settled day, is set aside for it.

    Each new sealer tries it again; everything else is sealed as ever.
    """

    __tablename__ = "journal_conflict"

    path: str = Field(primary_key=True)
    strategy_id: int | None = Field(default=None, foreign_key="strategy.id", index=True)
    settlement_id: int | None = Field(default=None, foreign_key="settlement.id")
    found_at: datetime = instant()


class Timestamp(SQLModel, table=True):
    """A timestamp authority's token for a commit; `stored_sha` is the later commit that holds it, null until then."""

    __table_args__ = (Index("uq_timestamp_authority", "commit_sha", "authority", unique=True),)

    id: int = identity()
    commit_sha: str = Field(foreign_key="journal_commit.sha")
    authority: str
    stamped_at: datetime = instant()
    token: bytes
    stored_sha: str | None = Field(default=None, foreign_key="journal_commit.sha", index=True)
