"""Claimed performances in the ledger: uploading, replacing and deleting them, and the verdicts on them.

An upload is never changed or removed. So the ledger always shows its successor, and the time of that.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.domain.evaluation.claimed_performance import read_records
from countersign.domain.evaluation.metrics import VERDICTS_SCHEMA
from countersign.domain.evaluation.tracking import compare, levels_of, pair
from countersign.domain.sessions import CLOSE, EXCHANGE_ZONE, at
from countersign.models.enums import StrategyStatus
from countersign.models.errors import RefusedError
from countersign.models.tables.claimed import ClaimedPerformance
from countersign.models.tables.operations import AuditEntry
from countersign.models.tables.strategies import Strategy


@dataclass(frozen=True)
class ClaimedUpload:
    """A strategy's claimed performance, with its strategy's dates. `activated_on` is the exchange's day."""

    upload: ClaimedPerformance
    activated_on: date
    universe: str
    first_uploaded_at: datetime

    @property
    def records(self) -> pl.DataFrame:
        """The records: session and nav, in order."""
        return read_records(self.upload.records)


def find_claimed(db: Session, strategy_id: int) -> ClaimedUpload | None:
    """Return a strategy's claimed performance, None where there is none."""
    found = db.execute(
        sa.select(ClaimedPerformance, col(Strategy.activated_at), col(Strategy.universe))
        .join(Strategy, col(Strategy.id) == col(ClaimedPerformance.strategy_id))
        .where(_current(), col(ClaimedPerformance.strategy_id) == strategy_id)
    ).one_or_none()
    if found is None:
        return None
    upload, activated_at, universe = found
    first = func.min(ClaimedPerformance.uploaded_at)
    begun = db.exec(select(first).where(ClaimedPerformance.strategy_id == strategy_id)).one()
    return ClaimedUpload(upload, _day(activated_at), str(universe), begun)


def current_uploads(db: Session, strategy_ids: Collection[int] | None = None) -> dict[int, int]:
    """Map those of these strategies (by default of all) that have a claimed performance to its upload, by id."""
    query = sa.select(col(ClaimedPerformance.strategy_id), col(ClaimedPerformance.id)).where(_current())
    if strategy_ids is not None:
        query = query.where(col(ClaimedPerformance.strategy_id).in_(strategy_ids))
    return dict(db.execute(query).tuples().all())


def is_claimed() -> sa.ColumnElement[bool]:
    """Write the condition that a strategy has a claimed performance."""
    return col(Strategy.id).in_(sa.select(col(ClaimedPerformance.strategy_id)).where(_current()))


def upload_claimed(
    db: Session, strategy: Strategy, records: str, data_points: int, now: datetime, actor: str
) -> tuple[ClaimedUpload, bool]:
    """Keep a claimed performance in place of the one before; say whether there was one before.

    The same records again change nothing: a retry is no new claim. RefusedError for a strategy that is pending or
    retired.
    """
    if strategy.status == StrategyStatus.PENDING:
        raise RefusedError(f"status: {strategy.slug} is pending; submit at least one signal first")
    _require_not_retired(strategy)
    found = find_claimed(db, strategy.id)
    if found is not None and found.upload.records == records:
        return found, True
    newest = func.max(ClaimedPerformance.revision)
    revision = 1 + (db.exec(select(newest).where(ClaimedPerformance.strategy_id == strategy.id)).one() or 0)
    if found is not None:
        found.upload.superseded_at = now
        db.add(found.upload)
    db.add(
        ClaimedPerformance(
            strategy_id=strategy.id, revision=revision, data_points=data_points, uploaded_at=now, records=records
        )
    )
    db.flush()
    _note(db, "replaced" if found else "uploaded", strategy, revision, records, now, actor)
    kept = find_claimed(db, strategy.id)
    assert kept is not None  # noqa: S101 - it was written just now
    return kept, found is not None


def delete_claimed(db: Session, strategy: Strategy, now: datetime, actor: str) -> int | None:
    """Withdraw a claimed performance; return how many records it had, None where there is none.

    RefusedError for a strategy that is retired.
    """
    _require_not_retired(strategy)
    found = find_claimed(db, strategy.id)
    if found is None:
        return None
    found.upload.superseded_at = now
    db.add(found.upload)
    _note(db, "deleted", strategy, found.upload.revision, found.upload.records, now, actor)
    return found.upload.data_points


def read_verdicts(db: Session, nav: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
    """Judge claimed performances as of each of these sessions, ascending: by the upload before its close.

    `nav` is the settled history: strategy, session, nav. A later upload changes nothing, so that a session can be
    evaluated again. There is no row where too few daily returns are in common.
    """
    closes = [at(session, CLOSE) for session in sessions]
    uploads = db.execute(
        sa.select(ClaimedPerformance, col(Strategy.slug), col(Strategy.activated_at))
        .join(Strategy, col(Strategy.id) == col(ClaimedPerformance.strategy_id))
        .where(
            col(ClaimedPerformance.uploaded_at) < closes[-1],
            sa.or_(_current(), col(ClaimedPerformance.superseded_at) >= closes[0]),
        )
        .order_by(col(Strategy.slug), col(ClaimedPerformance.revision))
    ).all()
    slugs = pl.Series([slug for _, slug, _ in uploads], dtype=pl.String).unique()
    histories = nav.filter(pl.col("strategy").is_in(slugs.implode())).partition_by("strategy", as_dict=True)
    rows = []
    for upload, slug, activated_at in uploads:
        if (slug,) not in histories:
            continue
        after = read_records(upload.records).filter(pl.col("session") >= _day(activated_at))
        pairs = pair(after, histories[slug,])
        levels, ended = levels_of(pairs), upload.superseded_at
        for session, close in zip(sessions, closes, strict=True):
            if upload.uploaded_at < close and (ended is None or ended >= close):
                found = compare(levels[: pairs["session"].search_sorted(session, "right")])
                rows += [(slug, session, found.verdict)] if found else []
    return pl.DataFrame(rows, schema=VERDICTS_SCHEMA, orient="row")


def _current() -> sa.ColumnElement[bool]:
    return col(ClaimedPerformance.superseded_at).is_(None)


def _require_not_retired(strategy: Strategy) -> None:
    if strategy.status == StrategyStatus.RETIRED:
        raise RefusedError(f"status: {strategy.slug} is retired, and immutable")


def _note(db: Session, what: str, strategy: Strategy, revision: int, records: str, now: datetime, actor: str) -> None:
    digest = hashlib.sha256(records.encode()).hexdigest()
    detail = f"revision {revision}, records sha256 {digest}"
    db.add(AuditEntry(at=now, actor=actor, action=f"claimed performance {what}", subject=strategy.slug, detail=detail))


def _day(moment: datetime) -> date:
    return moment.astimezone(EXCHANGE_ZONE).date()
