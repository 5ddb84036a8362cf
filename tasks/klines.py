"""Klines come in: from a file that somebody hands over, or made up in the sample home."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from domain.feed_simulation import COINS, SAMPLE_SOURCE
from domain.kline_simulation import simulate_klines
from domain.klines import normalise_klines
from models.klines import KlineSeries, series_of
from sources.files import read_table
from store.home import Home
from store.klines import kline_files, put_klines
from store.sources import list_sources

# Some of the feed's exchanges: what it says of the others shows how signals without klines wait, and costs nothing.
SAMPLE_EXCHANGES = ("binance", "bybit", "okx_futures")
SAMPLE_CURRENCY, SAMPLE_INTERVAL = "USDT", "15m"
# How far back the first made-up klines reach.
SAMPLE_DAYS = timedelta(days=2)


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


def extend_sample_klines(home: Home, now: datetime) -> int:
    """Bring the made-up klines of the sample home up to now; return how many bars came. Other homes get none."""
    with home.ledger.read() as db:
        polled = {each.source.name for each in list_sources(db)}
    if not home.clock.simulated or SAMPLE_SOURCE not in polled:
        return 0
    return sum(
        _extend(home, series_of(exchange, f"{coin}/{SAMPLE_CURRENCY}", SAMPLE_INTERVAL), now)
        for exchange in SAMPLE_EXCHANGES
        for coin in COINS
    )


def _extend(home: Home, series: KlineSeries, now: datetime) -> int:
    first = now - SAMPLE_DAYS
    with home.ledger.read() as db:
        known = [file.session for file in kline_files(db, series, first.date())]
    # The newest day is made again, and the same: only what is missing of it comes in.
    since = max([first, *(datetime.combine(day, time(), UTC) for day in known)])
    bars = simulate_klines(series.coin, series.step, since, now)
    return put_klines(home.lake, series, bars, "made up", now).added if bars.height else 0
