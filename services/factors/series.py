"""Factor series in the lake: IC and long-short return of one factor, as validation measured them session by session."""

import polars as pl

from countersign.models.datasets import FACTOR_IC
from countersign.store.lake.lake import Lake, series_files


def read_series(lake: Lake, factor_id: str) -> pl.DataFrame:
    """Read a factor's in-sample series, oldest session first: the columns of `factor_ic`; empty before validation."""
    with lake.ledger.read() as db:
        files = series_files(db, FACTOR_IC.name, factor_id)
    return lake.scan_files(FACTOR_IC, files).sort("session").collect()
