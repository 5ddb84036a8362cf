"""Klines come in: from a file that somebody hands over, checked as a whole, added to the series month by month."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from domain.klines import normalise_klines
from models.klines import KlineSeries
from sources.files import read_table
from store.home import Home
from store.klines import put_klines


@dataclass(frozen=True)
class KlinesImported:
    """What an import came to: bars that are new, and that took the place of others; outcomes to be judged again.

    `rows` are the file's bars but for one that is still under way.
    """

    series: str
    rows: int
    since: datetime
    until: datetime
    added: int
    replaced: int
    reopened: int


def import_klines(home: Home, path: Path, series: KlineSeries, now: datetime, *, holes: bool = False) -> KlinesImported:
    """Import klines from a Parquet or CSV file. InputError names what is wrong with it; nothing is kept then."""
    bars = normalise_klines(read_table(path), series, now, holes=holes)
    put = put_klines(home.lake, series, bars, path.name, now)
    since, until = bars["opened_at"][0], bars["opened_at"][-1]
    return KlinesImported(series.name, bars.height, since, until, put.added, put.replaced, put.reopened)
