"""Snapshot: what the ledger says is settled at one moment, as far as the lens shows it.

One reading transaction, so that the lens never shows half of a settlement.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col, select

from domain.attestation import Evidence
from domain.sessions import EXCHANGE_ZONE
from models.attestation import Disclosure, JournalCommit, Seal, Timestamp
from models.claimed import ClaimedPerformance
from models.datasets import BARS, EVALUATIONS, INDEX_LEVELS, NAV, ORDERS, POSITIONS, SIGNALS, TERMS
from models.lake import LakeFile
from models.settlement import Settlement
from models.signals import Signal
from models.strategies import Strategy
from models.users import User
from store.lake import Lake
from store.ledger import Ledger

MARKET = (BARS.name, INDEX_LEVELS.name)
SETTLED = (SIGNALS.name, ORDERS.name, POSITIONS.name, NAV.name, EVALUATIONS.name)
TIME = pl.Datetime("us", "UTC")
STRATEGIES_SCHEMA = {
    "slug": pl.String,
    "name": pl.String,
    "owner": pl.String,
    **TERMS,
    "status": pl.String,
    "is_public": pl.Boolean,
    "created_at": TIME,
    "activated_at": TIME,
    "retired_at": TIME,
}
SETTLEMENTS_SCHEMA = {
    "session": pl.Date,
    "version": pl.Int32,
    "strategies": pl.Int32,
    "bars_sha256": pl.String,
    "rules_sha256": pl.String,
    "manifest_sha256": pl.String,
    "commit_sha": pl.String,
    "settled_at": TIME,
}
CLAIMED_SCHEMA = {"strategy": pl.String, "activated_on": pl.Date, "records": pl.String}
SEALS_SCHEMA = {
    "strategy": pl.String,
    "session": pl.Date,
    "revision": pl.Int32,
    "commit_sha": pl.String,
    "commit_time": TIME,
    "evidence": pl.String,
}


class ShownFile(NamedTuple):
    """A committed file of the lake whose rows the lens shows. `path` is relative to the lake's root."""

    session: date
    path: str
    sha256: str


@dataclass(frozen=True)
class Snapshot:
    """Everything that a lens is made of. Equal digests make equal lenses.

    `claimed` has the current uploads of claimed performances as they are kept, a row a strategy. `disclosed` are the
    sessions whose signals are all sealed, and revealed: what is known of them does not change.
    """

    lake: Path
    settled_through: date | None
    files: dict[str, list[ShownFile]]
    strategies: pl.DataFrame
    settlements: pl.DataFrame
    claimed: pl.DataFrame
    disclosed: frozenset[date]
    digest: str


def take_snapshot(lake: Lake) -> Snapshot:
    """Read what is committed and settled.

    Results count for settled sessions only; bars and index levels for every session up to the newest settled one, the
    history before the first settlement included.
    """
    with lake.ledger.read() as db:
        settlements = _settlements(db)
        strategies = _strategies(db)
        claimed = _claimed(db)
        rows = list(_files(db))
    settled = set(settlements["session"])
    through = max(settled, default=None)
    files: dict[str, list[ShownFile]] = {name: [] for name in (*MARKET, *SETTLED)}
    for dataset, file in rows:
        if file.session in settled or (dataset in MARKET and through is not None and file.session <= through):
            files[dataset].append(file)
    digest = hashlib.sha256(repr((lake.root, files)).encode())
    for frame in (strategies, settlements, claimed):
        digest.update(frame.write_ipc(None).getbuffer())
    disclosed = frozenset(settlements.filter(pl.col("commit_sha").is_not_null())["session"])
    return Snapshot(lake.root, through, files, strategies, settlements, claimed, disclosed, digest.hexdigest())


def read_seals(ledger: Ledger, sessions: Iterable[date]) -> pl.DataFrame:
    """Read how the signals of disclosed sessions were sealed: commit, its time, and what that time rests on."""
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
            sa.case((first_token.scalar_subquery() <= Signal.deadline, Evidence.TSA), else_=Evidence.SERVER_ONLY),
        )
        .join(Strategy, col(Strategy.id) == col(Signal.strategy_id))
        .join(Seal, col(Seal.signal_id) == col(Signal.id))
        .join(JournalCommit, col(JournalCommit.sha) == col(Seal.commit_sha))
        .order_by(col(Strategy.slug), col(Signal.revision))
    )
    with ledger.read() as db:
        rows = [row for session in sorted(sessions) for row in db.execute(query.where(col(Signal.session) == session))]
    return _frame(rows, SEALS_SCHEMA)


def _files(db: Session) -> Iterator[tuple[str, ShownFile]]:
    query = (
        select(LakeFile.dataset, col(LakeFile.session), LakeFile.path, LakeFile.sha256)
        .where(col(LakeFile.dataset).in_((*MARKET, *SETTLED)), col(LakeFile.superseded_at).is_(None))
        .order_by(col(LakeFile.session), col(LakeFile.path))
    )
    for dataset, session, path, sha256 in db.exec(query):
        yield dataset, ShownFile(session, path, sha256)


def _strategies(db: Session) -> pl.DataFrame:
    columns = [User.nickname if name == "owner" else getattr(Strategy, name) for name in STRATEGIES_SCHEMA]
    query = select(*columns).join(User, col(User.id) == Strategy.owner_id).order_by(col(Strategy.slug))
    return _frame(db.exec(query), STRATEGIES_SCHEMA)


def _settlements(db: Session) -> pl.DataFrame:
    columns = [
        Disclosure.commit_sha if name == "commit_sha" else getattr(Settlement, name) for name in SETTLEMENTS_SCHEMA
    ]
    query = select(*columns).outerjoin(Disclosure, col(Disclosure.settlement_id) == col(Settlement.id))
    query = query.order_by(col(Settlement.session), col(Settlement.version))
    return _frame(db.exec(query), SETTLEMENTS_SCHEMA)


def _claimed(db: Session) -> pl.DataFrame:
    query = (
        sa.select(col(Strategy.slug), col(Strategy.activated_at), col(ClaimedPerformance.records))
        .join(Strategy, col(Strategy.id) == col(ClaimedPerformance.strategy_id))
        .where(col(ClaimedPerformance.superseded_at).is_(None))
        .order_by(col(Strategy.slug))
    )
    rows = [
        (slug, activated_at.astimezone(EXCHANGE_ZONE).date(), records)
        for slug, activated_at, records in db.execute(query)
    ]
    return _frame(rows, CLAIMED_SCHEMA)


def _frame(rows: Iterable[Any], schema: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")
