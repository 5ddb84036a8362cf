"""Klines in the lake, on both databases: months, merging, and the outcomes that a change reopens."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sqlmodel import select

from countersign.models.datasets import KLINES
from countersign.models.klines import series_of
from countersign.models.tables.operations import AuditEntry
from countersign.services.external.klines import kline_files, list_series
from countersign.store.home import Home
from tests.support.klines import SERIES, bars, put

FLAT = (100.0, 101.0, 99.0, 100.0)
HIGHER = (100.0, 105.0, 99.0, 100.0)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def files(home: Home) -> dict[str, int]:
    with home.ledger.read() as db:
        return {file.path: file.rows for file in kline_files(db, SERIES, NEW_YEAR.date() - timedelta(days=40))}


def test_a_file_a_month_and_appending_rewrites_the_last(home: Home) -> None:
    start = NEW_YEAR - timedelta(hours=1)
    assert put(home, bars(*[FLAT] * 8, start=start)) == (8, 0, 0)
    first = files(home)
    assert sorted(first.values()) == [4, 4]
    assert all(path.startswith("klines/pair=binance-BTC-USDT-15m/") for path in first)
    assert put(home, bars(*[FLAT] * 8, start=start)) == (0, 0, 0)
    assert files(home) == first
    assert put(home, bars(*[HIGHER] * 4, start=NEW_YEAR + timedelta(minutes=30))) == (2, 2, 0)
    second = files(home)
    assert sorted(second.values()) == [4, 6]
    assert len(first.keys() & second.keys()) == 1
    with home.ledger.read() as db:
        frame = home.lake.read_files(KLINES, kline_files(db, SERIES, start.date()))
        entries = db.exec(select(AuditEntry)).all()
    assert frame["high"].to_list() == [101.0] * 6 + [105.0] * 4
    assert [entry.detail for entry in entries] == ["8 changed", "4 changed"]


def test_imports_at_once_follow_each_other(home: Home) -> None:
    parts = [bars(*[FLAT] * 4, start=NEW_YEAR + timedelta(hours=n)) for n in range(5)]
    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(lambda part: put(home, part), parts)) == [(4, 0, 0)] * 5
    assert list(files(home).values()) == [20]


def test_series_of_a_pair_come_the_finest_first(home: Home) -> None:
    for interval in ("1d", "1m", "1h"):
        series = series_of("binance", "BTC/USDT", interval)
        put(home, bars(FLAT, start=NEW_YEAR, step=series.step), series)
    put(home, bars(FLAT, start=NEW_YEAR), series_of("bybit", "BTC/USDT", "15m"))
    with home.ledger.read() as db:
        assert [each.name.removeprefix("binance-BTC-USDT-") for each in list_series(db)] == [
            "1m",
            "1h",
            "1d",
            "bybit-BTC-USDT-15m",
        ]
