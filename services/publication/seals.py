"""Seals of signals, as far as the lens shows them."""

from collections.abc import Iterable
from datetime import date

import polars as pl
import sqlalchemy as sa
from sqlmodel import col

from countersign.domain.attestation.timeliness import TimeEvidence
from countersign.models.lens.table import LensTable
from countersign.models.lens.tables import SIGNALS
from countersign.models.tables.attestation import JournalCommit, Seal, Timestamp
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.publication.lake import NOT_IN_THE_LAKE, SEAL_KEY
from countersign.store.ledger.ledger import Ledger

SEALS = LensTable(
    "seal",
    "How the signals of disclosed sessions were sealed: columns of the view signals",
    {name: SIGNALS.columns[name] for name in (*SEAL_KEY, *NOT_IN_THE_LAKE)},
)


def seals_of(ledger: Ledger, sessions: Iterable[date]) -> pl.DataFrame:
    """Read how the signals of disclosed sessions were sealed: commit, its time, and the evidence for that time."""
    first_token = sa.select(sa.func.min(col(Timestamp.stamped_at))).where(
        col(Timestamp.commit_sha) == JournalCommit.sha
    )
    query = (
        sa.select(
            col(Strategy.slug),
            col(Signal.session),
            col(Signal.revision),
            col(JournalCommit.sha),
            col(JournalCommit.committed_at),
            sa.case(
                (first_token.scalar_subquery() <= Signal.deadline, TimeEvidence.TSA), else_=TimeEvidence.SERVER_ONLY
            ),
        )
        .join(Strategy, col(Strategy.id) == col(Signal.strategy_id))
        .join(Seal, col(Seal.signal_id) == col(Signal.id))
        .join(JournalCommit, col(JournalCommit.sha) == col(Seal.commit_sha))
        .order_by(col(Strategy.slug), col(Signal.revision))
    )
    with ledger.read() as db:
        rows = [row for session in sorted(sessions) for row in db.execute(query.where(col(Signal.session) == session))]
    return pl.DataFrame([tuple(row) for row in rows], schema=SEALS.frame_schema(), orient="row")
