"""Factor values at rest: files of the lake for the values, rows of the ledger for their sessions and times.

A factor's files never have a session in common, so its current values are one scan of them. An upload becomes one file.
If it replaces sessions, or the factor has many files, its file takes in the other values of those files.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col

from countersign.domain.factors.values import UPLOAD_SCHEMA, digest_sessions, in_time_until
from countersign.domain.sessions import Sessions
from countersign.models.datasets import FACTOR_IC, FACTOR_VALUES
from countersign.models.enums import FactorStatus
from countersign.models.errors import RefusedError
from countersign.models.tables.factors import MIN_SESSIONS, Factor, FactorSession
from countersign.models.tables.lake import LakeFile
from countersign.services.factors.lifecycle import forget_figures, own_factor, stretch_of
from countersign.store.lake.lake import Lake, StagedFile, series_files
from countersign.store.ledger.chunks import chunked

MAX_FILES = 24


@dataclass(frozen=True)
class Uploaded:
    """Outcome of an upload: its sessions, how many of them changed, and the factor's days and status now."""

    sessions: int
    changed: int
    total_days: int
    status: FactorStatus


@dataclass(frozen=True)
class _Change:
    """Change by an upload, as of one revision of the factor's values; `replaced` are sessions that had values."""

    revision: int
    status: str
    fresh: pl.DataFrame
    replaced: frozenset[date]
    files: list[LakeFile]


def put_values(
    lake: Lake, sessions: Sessions, owner_id: int, factor_id: str, values: pl.DataFrame, uploaded_at: datetime
) -> Uploaded:
    """Make a factor hold these values (session, symbol, value; checked and sorted) for the sessions they name.

    A session whose values are the same already stays as it was, with the time when they first came. Of an active factor
    no session up to the validated ones changes, and none whose values came before and whose outcome is known by now:
    RefusedError, and nothing is changed. New values make any other factor a draft, or ready.
    """
    digests = digest_sessions(values)
    while True:
        change = _find_change(lake, sessions, owner_id, factor_id, digests, uploaded_at)
        old: list[LakeFile] = []
        staged: list[StagedFile] = []
        if change.fresh.height:
            old, staged = _stage(lake, factor_id, values, change)
        with lake.ledger.write() as db:
            factor = own_factor(db, owner_id, factor_id)
            if (factor.revision, factor.status) != (change.revision, change.status):
                continue  # another upload, or a validation, came first
            if staged:
                lake.replace(db, old, staged, uploaded_at)
                _note_sessions(db, factor_id, change, uploaded_at)
                _move_on(db, lake, factor, uploaded_at)
            total = stretch_of(db, factor_id).sessions
            return Uploaded(digests.height, change.fresh.height, total, FactorStatus(factor.status))


def read_values(
    lake: Lake, factor_ids: Collection[str], since: date | None = None, through: date | None = None
) -> pl.DataFrame:
    """Read the current values of factors between two sessions: factor, session, symbol, value, in no promised order."""
    wanted = set(factor_ids)
    files = [file for file in _files_of(lake, wanted) if since is None or file.session >= since]
    found = lake.scan_files(FACTOR_VALUES, files)
    if since is not None:
        found = found.filter(pl.col("session") >= since)
    if through is not None:
        found = found.filter(pl.col("session") <= through)
    return found.collect()


def _files_of(lake: Lake, factor_ids: set[str]) -> list[LakeFile]:
    with lake.ledger.read() as db:
        if len(factor_ids) == 1:
            return series_files(db, FACTOR_VALUES.name, *factor_ids)
    return [file for file in lake.files(FACTOR_VALUES) if file.series in factor_ids]


def _find_change(
    lake: Lake, sessions: Sessions, owner_id: int, factor_id: str, digests: pl.DataFrame, now: datetime
) -> _Change:
    with lake.ledger.read() as db:
        factor = own_factor(db, owner_id, factor_id)
        known = _known(db, factor_id)
        files = series_files(db, FACTOR_VALUES.name, factor_id)
    if factor.status == FactorStatus.VALIDATING:
        raise RefusedError(f"status: {factor.name} is being validated; upload when that is done")
    fresh = digests.join(known, on=["session", "values_sha256"], how="anti")
    replaced = frozenset(fresh.join(known, on="session", how="semi")["session"])
    if factor.status == FactorStatus.ACTIVE:
        _check_active(factor, sessions, fresh["session"].to_list(), replaced, now)
    return _Change(factor.revision, factor.status, fresh, replaced, files)


def _check_active(
    factor: Factor, sessions: Sessions, fresh: list[date], replaced: frozenset[date], now: datetime
) -> None:
    closed = sessions.newest_closed(now)
    for session in fresh:
        if factor.validated_through and session <= factor.validated_through:
            raise RefusedError(
                f"status: {factor.name} is active; its values up to {factor.validated_through} are those it was"
                f" admitted with, got others for {session}"
            )
        if session in replaced and session <= closed and now >= in_time_until(sessions, session):
            raise RefusedError(
                f"status: {factor.name} is active; its values for {session} could be replaced before"
                f" {in_time_until(sessions, session):%F %T} UTC, when their outcome began to be known"
            )


def _stage(
    lake: Lake, factor_id: str, values: pl.DataFrame, change: _Change
) -> tuple[list[LakeFile], list[StagedFile]]:
    """Write the file with the new values, and with the other values of the files that it replaces."""
    old = [file for file in change.files if len(change.files) >= MAX_FILES or _holds_any(lake, file, change.replaced)]
    fresh = values.join(change.fresh, on="session", how="semi")
    parts = [fresh.select(pl.lit(factor_id).alias("factor"), *UPLOAD_SCHEMA)]
    if old:
        kept = lake.scan_files(FACTOR_VALUES, old).collect()
        parts.append(kept.join(change.fresh, on="session", how="anti"))
    frame = pl.concat(parts)
    newest: date = frame["session"].max()  # type: ignore[assignment]
    return old, [lake.stage(FACTOR_VALUES, newest, frame, series=factor_id)]


def _holds_any(lake: Lake, file: LakeFile, days: frozenset[date]) -> bool:
    if not days:
        return False
    found = lake.scan_files(FACTOR_VALUES, [file]).select(pl.col("session").is_in(list(days)).any())
    return bool(found.collect().item())


def _known(db: Session, factor_id: str) -> pl.DataFrame:
    query = sa.select(col(FactorSession.session), col(FactorSession.values_sha256))
    rows = db.execute(query.where(col(FactorSession.factor_id) == factor_id)).all()
    return pl.DataFrame(
        [tuple(row) for row in rows], schema={"session": pl.Date, "values_sha256": pl.String}, orient="row"
    )


def _note_sessions(db: Session, factor_id: str, change: _Change, uploaded_at: datetime) -> None:
    mine, replaced = col(FactorSession.factor_id) == factor_id, sorted(change.replaced)
    for chunk in chunked(replaced):
        db.execute(sa.delete(FactorSession).where(mine, col(FactorSession.session).in_(chunk)))
    shared = {"factor_id": factor_id, "uploaded_at": uploaded_at}
    db.execute(sa.insert(FactorSession), [row | shared for row in change.fresh.iter_rows(named=True)])


def _move_on(db: Session, lake: Lake, factor: Factor, now: datetime) -> None:
    factor.revision += 1
    if factor.status != FactorStatus.ACTIVE:
        if factor.status == FactorStatus.REJECTED:
            forget_figures(factor)
            lake.replace(db, series_files(db, FACTOR_IC.name, factor.id), [], now)
        enough = stretch_of(db, factor.id).sessions >= MIN_SESSIONS
        factor.status = FactorStatus.READY if enough else FactorStatus.DRAFT
    db.add(factor)
    db.flush()
