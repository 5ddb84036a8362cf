"""Kline tasks: import klines from files, and make up those of the sample home."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from countersign.domain.external.feed_simulation import COINS, SAMPLE_SOURCE
from countersign.domain.external.kline_dumps import headless_columns
from countersign.domain.external.kline_simulation import simulate_klines
from countersign.domain.external.klines import normalise_klines
from countersign.models.errors import InputError
from countersign.models.klines import KlineSeries, series_of
from countersign.services.external.klines import kline_files, put_klines
from countersign.services.external.sources import list_sources
from countersign.sources.files.archives import SUFFIXES as PACKED
from countersign.sources.files.archives import unpacked
from countersign.sources.files.tables import SUFFIXES as TABLES
from countersign.sources.files.tables import read_checked
from countersign.store.home import Home

# Some of the feed's exchanges: signals of the others show how signals without klines wait, at no cost.
SAMPLE_EXCHANGES = ("binance", "bybit", "okx_futures")
SAMPLE_CURRENCY, SAMPLE_INTERVAL = "USDT", "15m"
# How far back the first made-up klines reach.
SAMPLE_DAYS = timedelta(days=2)


@dataclass(frozen=True)
class KlinesImported:
    """Counts of an import: bars that are new, and that took the place of others; outcomes to be judged again.

    `rows` are the files' bars but for one that is still under way.
    """

    series: str
    files: int
    rows: int
    since: datetime
    until: datetime
    added: int
    replaced: int
    reopened: int


def import_klines(home: Home, path: Path, series: KlineSeries, now: datetime, *, holes: bool = False) -> KlinesImported:
    """Import klines from a Parquet or CSV file, which may be packed (.gz, .zip), in our columns or an exchange's.

    InputError names the fault of the file; nothing is kept then.
    """
    with unpacked(path) as table:
        bars = read_checked(
            table,
            lambda frame: normalise_klines(frame, series, now, holes=holes),
            headless=headless_columns(series),
        )
    put = put_klines(home.lake, series, bars, path.name, now)
    since, until = bars["opened_at"][0], bars["opened_at"][-1]
    return KlinesImported(series.name, 1, bars.height, since, until, put.added, put.replaced, put.reopened)


def import_kline_files(
    home: Home,
    path: Path,
    series: KlineSeries,
    now: datetime,
    *,
    holes: bool = False,
    track: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> KlinesImported:
    """Import a file as import_klines does, or each file of a folder in the order of their names.

    InputError at the first file that is faulty: those before it stay. `track` hands the files on, one by one.
    """
    if not path.is_dir():
        return import_klines(home, path, series, now, holes=holes)
    done: list[KlinesImported] = []
    for each in track(kline_files_in(path)):
        try:
            done.append(import_klines(home, each, series, now, holes=holes))
        except InputError as error:
            before = "1 file before it is in" if len(done) == 1 else f"{len(done)} files before it are in"
            stay = f"{error.got} ({before})"
            raise InputError(error.field, error.expected, stay, where=error.where) from error
    return KlinesImported(
        series.name,
        len(done),
        sum(each.rows for each in done),
        min(each.since for each in done),
        max(each.until for each in done),
        sum(each.added for each in done),
        sum(each.replaced for each in done),
        sum(each.reopened for each in done),
    )


def kline_files_in(folder: Path) -> list[Path]:
    """List the files of a folder that can hold klines, by name; InputError if there is none."""
    suffixes = (*TABLES, *PACKED)
    found = sorted(each for each in folder.iterdir() if each.is_file() and each.suffix.lower() in suffixes)
    if not found:
        raise InputError("path", f"files ending in {', '.join(suffixes)}", f"none in {folder}")
    return found


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
    # The newest day is made again, and the same: only its missing bars are new.
    since = max([first, *(datetime.combine(day, time(), UTC) for day in known)])
    bars = simulate_klines(series.coin, series.step, since, now)
    return put_klines(home.lake, series, bars, "made up", now).added if bars.height else 0
