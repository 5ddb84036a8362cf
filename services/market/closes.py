"""Adjusted closes of the whole market, in memory for as long as the bars they were read from count.

One process reads each file of bars once: validation after validation looks at the same prices.
"""

import threading
from datetime import date

import polars as pl

from countersign.models.datasets import BARS
from countersign.models.tables.lake import LakeFile
from countersign.store.lake.lake import Lake


class Closes:
    """The lake's adjusted closes: close × adj_factor, CNY a share."""

    def __init__(self, lake: Lake) -> None:
        self._lake, self._lock = lake, threading.Lock()
        self._files: dict[str, str] = {}
        self._bars = _read(lake, [])

    def read(self, symbols: pl.Series, since: date) -> pl.DataFrame:
        """Read session, symbol, close of these symbols from a session on; sessions without a price have no row.

        An unknown adjustment factor is taken from the session before, or the first after: returns use its ratio alone.
        """
        with self._lock:
            bars = self._current()
        wanted = symbols.unique().cast(pl.Categorical)
        mine = bars.filter(pl.col("session") >= since, pl.col("symbol").is_in(wanted.implode())).sort("session")
        factor = pl.col("adj_factor").forward_fill().backward_fill().over("symbol").fill_null(1.0)
        return mine.select("session", "symbol", pl.col("close") * factor)

    def _current(self) -> pl.DataFrame:
        files = self._lake.files(BARS)
        versions = {file.path: file.sha256 for file in files}
        if versions != self._files:
            more = [file for file in files if file.path not in self._files]
            grown = all(versions.get(path) == sha256 for path, sha256 in self._files.items())
            self._bars = pl.concat([self._bars, _read(self._lake, more)]) if grown else _read(self._lake, files)
            self._files = versions
        return self._bars


def _read(lake: Lake, files: list[LakeFile]) -> pl.DataFrame:
    columns = ("session", pl.col("symbol").cast(pl.Categorical), "close", "adj_factor")
    return lake.scan_files(BARS, files).filter(pl.col("close") > 0).select(*columns).collect()
