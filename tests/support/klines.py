"""Klines for tests, given as rows, and a file of them; and outcomes as the ledger has them."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from sqlmodel import col, select

from countersign.models.datasets import KLINES
from countersign.models.klines import KlineSeries, series_of
from countersign.models.tables.external import ExternalOutcome, ExternalSignal
from countersign.services.external.klines import put_klines
from countersign.store.home import Home
from tests.support.feeds import NOON

SERIES = series_of("binance", "BTC/USDT", "15m")


def bars(
    *rows: tuple[float, float, float, float], start: datetime = NOON, step: timedelta = SERIES.step
) -> pl.DataFrame:
    """Bars of (open, high, low, close), one after the other."""
    opened = [start + n * step for n in range(len(rows))]
    table = [(moment, *row, 1.0) for moment, row in zip(opened, rows, strict=True)]
    return pl.DataFrame(table, schema=KLINES.schema, orient="row")


def put(home: Home, frame: pl.DataFrame, series: KlineSeries = SERIES) -> tuple[int, int, int]:
    """Put bars into a home: how many were added and replaced, and outcomes reopened."""
    done = put_klines(home.lake, series, frame, "a test", NOON)
    return done.added, done.replaced, done.reopened


def outcomes(home: Home) -> dict[str, ExternalOutcome]:
    """Outcomes by the source's id, those of older revisions left out."""
    query = select(ExternalSignal.external_id, ExternalOutcome).order_by(col(ExternalSignal.revision))
    query = query.where(ExternalOutcome.signal_id == ExternalSignal.id)
    with home.ledger.read() as db:
        return {str(external_id): outcome for external_id, outcome in db.exec(query)}


def save(frame: pl.DataFrame, path: Path, **names: Any) -> Path:
    """Write a file as an operator would hand it over, with columns renamed."""
    frame = frame.rename(names)
    (frame.write_csv if path.suffix == ".csv" else frame.write_parquet)(path)
    return path
