"""Klines at rest: series of the lake, one file a month, so that an appended bar rewrites little."""

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl
from sqlmodel import Session, col, select

from countersign.domain.external.klines import merge
from countersign.models.datasets import KLINES
from countersign.models.klines import KlineSeries, parse_name
from countersign.models.tables.lake import LakeFile
from countersign.services.external.outcomes import reopen
from countersign.store.lake.lake import Lake, StagedFile, series_files
from countersign.store.market import audit_import

Month = tuple[int, int]


@dataclass(frozen=True)
class KlinesPut:
    """Counts of an import: bars that are new, bars that replaced others, and outcomes to judge again."""

    added: int
    replaced: int
    reopened: int


def put_klines(lake: Lake, series: KlineSeries, bars: pl.DataFrame, subject: str, now: datetime) -> KlinesPut:
    """Make a series hold these bars (checked and sorted), the newer for a time taking the place of the known one.

    Outcomes that rest on changed bars are open again. The same again changes nothing; two at once follow each other.
    """
    months = {(day.year, day.month) for day in bars["opened_at"].dt.date().unique()}
    while True:
        with lake.ledger.read() as db:
            old = _of_months(db, series, months)
        merged = merge(lake.read_files(KLINES, old), bars)
        news = pl.concat([merged.added, merged.replaced])
        if news.is_empty():
            return KlinesPut(0, 0, 0)
        changed = {(day.year, day.month) for day in news["opened_at"].dt.date().unique()}
        staged = _stage(lake, series, merged.bars, changed)
        with lake.ledger.write() as db:
            if _paths(_of_months(db, series, months)) != _paths(old):
                continue  # another import came first
            lake.replace(db, [file for file in old if _month(file) in changed], staged, now)
            reopened = _reopen(db, series, news["opened_at"])
            audit_import(db, KLINES.name, f"{series.name} {subject}", news.height, now)
        return KlinesPut(merged.added.height, merged.replaced.height, reopened)


def list_series(db: Session) -> list[KlineSeries]:
    """List the series that there are klines of; of one pair the finest first."""
    query = select(LakeFile.series).where(LakeFile.dataset == KLINES.name, col(LakeFile.superseded_at).is_(None))
    found = [parse_name(name) for name in db.exec(query.distinct()) if name]
    return sorted(found, key=lambda each: (each.market, each.step))


def kline_files(db: Session, series: KlineSeries, since: date) -> list[LakeFile]:
    """List the files with a series' bars from a day on."""
    return [file for file in series_files(db, KLINES.name, series.name) if file.session >= since]


def _of_months(db: Session, series: KlineSeries, months: set[Month]) -> list[LakeFile]:
    return [file for file in series_files(db, KLINES.name, series.name) if _month(file) in months]


def _month(file: LakeFile) -> Month:
    return file.session.year, file.session.month


def _paths(files: list[LakeFile]) -> set[str]:
    return {file.path for file in files}


def _stage(lake: Lake, series: KlineSeries, bars: pl.DataFrame, months: set[Month]) -> list[StagedFile]:
    parts = bars.with_columns(month=pl.col("opened_at").dt.strftime("%Y-%m")).partition_by("month", include_key=False)
    days: list[tuple[date, pl.DataFrame]] = [(part["opened_at"][-1].date(), part) for part in parts]
    return [lake.stage(KLINES, day, part, series=series.name) for day, part in days if (day.year, day.month) in months]


def _reopen(db: Session, series: KlineSeries, changed: pl.Series) -> int:
    """Reopen outcomes that bars of these times may change: by their own series, and by coarser ones of the pair.

    Finer bars judge before coarser ones do, and those begin within a bar that such an outcome rests on.
    """
    times = changed.sort()
    pair = [each for each in list_series(db) if each.market == series.market and each.step >= series.step]
    return sum(reopen(db, each.name, times[0] - (each.step - series.step), times[-1]) for each in pair)
