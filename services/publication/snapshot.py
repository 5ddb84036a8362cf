"""Snapshot: the ledger's settled data at one moment, as far as the lens shows it.

One reading transaction, so that the lens never shows half of a settlement.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col, select

from countersign.domain.sessions import EXCHANGE_ZONE
from countersign.models.datasets import (
    BARS,
    EVALUATIONS,
    FACTOR_IC,
    FACTOR_VALUES,
    INDEX_LEVELS,
    NAV,
    ORDERS,
    POSITIONS,
    SIGNALS,
)
from countersign.models.enums import FactorStatus
from countersign.models.lens.factors import FACTORS
from countersign.models.lens.tables import CLAIMS, SETTLEMENTS, STRATEGIES
from countersign.models.tables.accounts import User
from countersign.models.tables.attestation import Disclosure
from countersign.models.tables.claimed import ClaimedPerformance
from countersign.models.tables.factors import Factor
from countersign.models.tables.lake import LakeFile
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.strategies import Strategy
from countersign.services.settlement.settled import correction_under_way
from countersign.store.lake.lake import Lake

# Digits of a settlement's hash in the names of its files.
RUN_DIGITS = 16
MARKET = (BARS.name, INDEX_LEVELS.name)
SETTLED = (SIGNALS.name, ORDERS.name, POSITIONS.name, NAV.name, EVALUATIONS.name)
FACTOR_DATA = (FACTOR_VALUES.name, FACTOR_IC.name)
LISTED = (
    col(LakeFile.dataset),
    col(LakeFile.session),
    col(LakeFile.path),
    col(LakeFile.sha256),
    col(LakeFile.checked_as),
)
STRATEGIES_SCHEMA = STRATEGIES.frame_schema(initial_capital=pl.Int64())
SETTLEMENTS_SCHEMA = SETTLEMENTS.frame_schema()
YEAR = {
    "year": pl.Int32,
    "ic_mean": pl.Float64,
    "ic_ir": pl.Float64,
    "returns": pl.Float64,
    "drawdown": pl.Float64,
    "turnover": pl.Float64,
    "days": pl.Int32,
}
FACTORS_SCHEMA = FACTORS.frame_schema(yearly_stats=pl.List(pl.Struct(YEAR)))
CLAIMED_SCHEMA = {"strategy": pl.String, "activated_on": pl.Date, "records": pl.String}


class ShownFile(NamedTuple):
    """A committed file of the lake whose rows the lens shows. `path` is relative to the lake's root."""

    session: date
    path: str
    sha256: str


class SupersededFile(NamedTuple):
    """A file of the NAV that a session had before it was corrected: in `version`, no longer in the newest one."""

    session: date
    version: int
    path: str


@dataclass(frozen=True)
class Snapshot:
    """Snapshot of the data that a lens is made of. Equal digests make equal lenses.

    `checked` has by path the identity with which each of the `files` was last found whole (`store.lake.digests`); the
    digest leaves it out. `tables` has, by name, the tables that are copied whole; of `claims` the current uploads
    as they are kept, a row a strategy. `disclosed` are the sessions whose signals are all sealed, and revealed: their
    seals do not change. `whole` is false while a correction is under way: later sessions rest on replaced versions.
    """

    lake: Path
    settled_through: date | None
    files: dict[str, list[ShownFile]]
    checked: dict[str, str]
    tables: dict[str, pl.DataFrame]
    superseded: list[SupersededFile]
    disclosed: frozenset[date]
    whole: bool
    digest: str


def take_snapshot(lake: Lake) -> Snapshot:
    """Read the committed and settled data from the ledger.

    Results count for settled sessions only; bars and index levels for every session up to the newest settled one, the
    history before the first settlement included. Of factors, the values of the active ones and every IC count.
    """
    with lake.ledger.read() as db:
        tables = {name: read(db) for name, read in READERS.items()}
        rows = [*_files(db), *_factor_files(db)]
        superseded = _superseded(db)
        whole = not correction_under_way(db)
    settlements = tables[SETTLEMENTS.name]
    settled = set(settlements["session"])
    through = max(settled, default=None)
    files: dict[str, list[ShownFile]] = {name: [] for name in (*MARKET, *SETTLED, *FACTOR_DATA)}
    checked = {}
    for dataset, file, checked_as in rows:
        if (
            dataset in FACTOR_DATA
            or file.session in settled
            or (dataset in MARKET and through is not None and file.session <= through)
        ):
            files[dataset].append(file)
            checked[file.path] = checked_as
    digest = hashlib.sha256(repr((lake.root, files)).encode())
    for frame in tables.values():
        digest.update(frame.write_ipc(None).getbuffer())
    disclosed = frozenset(settlements.filter(pl.col("commit_sha").is_not_null())["session"])
    return Snapshot(
        lake.root,
        through,
        files,
        checked,
        tables,
        superseded,
        disclosed,
        whole,
        digest.hexdigest(),
    )


def _files(db: Session) -> Iterator[tuple[str, ShownFile, str]]:
    query = (
        sa.select(*LISTED)
        .where(col(LakeFile.dataset).in_((*MARKET, *SETTLED)), col(LakeFile.superseded_at).is_(None))
        .order_by(col(LakeFile.session), col(LakeFile.path))
    )
    for dataset, session, path, sha256, checked_as in db.execute(query):
        yield dataset, ShownFile(session, path, sha256), checked_as


def _superseded(db: Session) -> list[SupersededFile]:
    """List the NAV files of versions that were corrected. Files are named by the settlement that wrote them."""
    query = (
        sa.select(col(Settlement.session), col(Settlement.version), col(LakeFile.path))
        .join(
            LakeFile,
            sa.and_(
                col(LakeFile.dataset) == NAV.name,
                col(LakeFile.session) == col(Settlement.session),
                col(LakeFile.run) == sa.func.substr(col(Settlement.run), 1, RUN_DIGITS),
            ),
        )
        .where(col(LakeFile.superseded_at).is_not(None))
        .order_by(col(Settlement.session), col(Settlement.version), col(LakeFile.path))
    )
    return [SupersededFile(*row) for row in db.execute(query).tuples()]


def _factor_files(db: Session) -> Iterator[tuple[str, ShownFile, str]]:
    active = sa.select(col(Factor.id)).where(col(Factor.status) == FactorStatus.ACTIVE)
    shown = sa.or_(
        col(LakeFile.dataset) == FACTOR_IC.name,
        sa.and_(col(LakeFile.dataset) == FACTOR_VALUES.name, col(LakeFile.series).in_(active)),
    )
    query = sa.select(*LISTED).where(shown, col(LakeFile.superseded_at).is_(None)).order_by(col(LakeFile.path))
    for dataset, session, path, sha256, checked_as in db.execute(query):
        yield dataset, ShownFile(session, path, sha256), checked_as


def _factors(db: Session) -> pl.DataFrame:
    columns = [col(User.nickname if name == "owner" else getattr(Factor, name)) for name in FACTORS_SCHEMA]
    lists = [place for place, name in enumerate(FACTORS_SCHEMA) if name in {"ic_decay", "yearly_stats"}]
    query = sa.select(*columns).join(User, col(User.id) == col(Factor.owner_id)).order_by(col(Factor.id))
    rows = [list(row) for row in db.execute(query)]
    for row in rows:
        for place in lists:
            row[place] = orjson.loads(row[place] or b"null")
    return _frame(rows, FACTORS_SCHEMA)


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


# Queries of the tables that are copied whole. Their order is part of the digest.
READERS: dict[str, Callable[[Session], pl.DataFrame]] = {
    STRATEGIES.name: _strategies,
    SETTLEMENTS.name: _settlements,
    CLAIMS.name: _claimed,
    FACTORS.name: _factors,
}


def _frame(rows: Iterable[Any], schema: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")
