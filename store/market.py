"""The market in the stores: committing bars and levels, and the ledger's tables of universes and corporate actions."""

from datetime import date, datetime
from typing import Any

import polars as pl
from sqlmodel import Session, SQLModel, col, select

from countersign.models.datasets import INDEX_LEVELS, Dataset
from countersign.models.errors import ConflictError
from countersign.models.tables.market import QualityReport, UniverseMember
from countersign.models.tables.operations import OPERATOR, AuditEntry, HomeFact
from countersign.store.lake.lake import Lake, StagedFile

SAMPLE = "sample market"


def stage_sessions(lake: Lake, dataset: Dataset, frame: pl.DataFrame) -> list[StagedFile]:
    """Stage a frame sorted by session, one file a session. The slices share the frame's memory."""
    days = frame.get_column("session").rle().struct.unnest()
    files, start = [], 0
    for length, session in days.iter_rows():
        files.append(lake.stage(dataset, session, frame.slice(start, length)))
        start += length
    return files


def add_known_levels(lake: Lake, levels: pl.DataFrame) -> pl.DataFrame:
    """Levels together with the committed ones of the same sessions' other indices, sorted by session and index."""
    days = levels.get_column("session")
    known = lake.scan(INDEX_LEVELS, days.min(), days.max()).collect()  # type: ignore[arg-type]
    kept = known.join(levels.select("session").unique(), on="session", how="semi")
    others = kept.join(levels, on=["session", "index"], how="anti")
    return pl.concat([levels, others]).sort("session", "index")


def newest_level(lake: Lake, index: str, session: date) -> tuple[date, float] | None:
    """Return an index's newest committed level before `session`, with its session."""
    for file in reversed(lake.files(INDEX_LEVELS, through=session)):
        if file.session < session:
            found = lake.scan_files(INDEX_LEVELS, [file]).filter(pl.col("index") == index).collect()
            if not found.is_empty():
                return file.session, found["close"][0]
    return None


def upsert(db: Session, model: type[SQLModel], frame: pl.DataFrame) -> int:
    """Make the table hold the frame's rows, by primary key; return how many were new or different."""
    keys = [column.name for column in model.__table__.primary_key]  # type: ignore[attr-defined]
    known = {tuple(getattr(row, key) for key in keys): row for row in db.exec(select(model))}
    changed = 0
    for values in frame.iter_rows(named=True):
        row = known.get(tuple(values[key] for key in keys))
        if row is None:
            db.add(model(**values))
            changed += 1
        elif any(getattr(row, name) != value for name, value in values.items()):
            row.sqlmodel_update(values)
            db.add(row)
            changed += 1
    return changed


def known_members(db: Session) -> pl.DataFrame:
    """Read every membership: universe, symbol, since, until."""
    rows = [(row.universe, row.symbol, row.since, row.until) for row in db.exec(select(UniverseMember))]
    schema = {"universe": pl.String, "symbol": pl.String, "since": pl.Date, "until": pl.Date}
    return pl.DataFrame(rows, schema=schema, orient="row")


def members_of(db: Session, universe: str, session: date) -> list[str]:
    """List the symbols that belonged to a universe at `session`, ascending."""
    query = select(UniverseMember.symbol).where(
        UniverseMember.universe == universe,
        UniverseMember.since <= session,
        col(UniverseMember.until).is_(None) | (col(UniverseMember.until) >= session),
    )
    return sorted(db.exec(query))


def claim_sample(db: Session, description: str) -> None:
    """Note that this home's market is made up, and how. ConflictError if it holds another sample."""
    fact = db.get(HomeFact, SAMPLE)
    if fact is None:
        db.add(HomeFact(key=SAMPLE, value=description))
    elif fact.value != description:
        raise ConflictError(f"this home holds another sample market ({fact.value}); take a home of its own")


def audit_import(db: Session, what: str, subject: str, changed: int, now: datetime) -> None:
    """Record an import in the audit log if it changed any rows."""
    if changed:
        db.add(
            AuditEntry(at=now, actor=OPERATOR, action=f"import {what}", subject=subject, detail=f"{changed} changed")
        )


def put_report(db: Session, **values: Any) -> None:
    """Keep the gate's verdict on a session, in place of an earlier one."""
    found = db.get(QualityReport, values["session"])
    if found is None:
        db.add(QualityReport(**values))
    else:
        db.add(found.sqlmodel_update(values))
