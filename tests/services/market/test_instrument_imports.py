"""Instruments into a home: files, a provider once a session, and which symbols are known after."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from sqlmodel import select

from countersign.models.errors import InputError, SourceRefused
from countersign.models.tables.operations import AuditEntry
from countersign.services.market.imports import import_bars
from countersign.services.market.instrument_imports import import_instruments, ingest_instruments
from countersign.services.market.instruments import KnownSymbols, read_instruments
from countersign.sources.files.tables import FilesProvider
from countersign.store.home import Home
from tests.support.market_homes import NOW, new_home

MONDAY, TUESDAY = date(2025, 6, 23), date(2025, 6, 24)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home without a market."""
    return new_home(tmp_path / "home")


def saved(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def held(home: Home, *symbols: str) -> list[tuple[object, ...]]:
    with home.ledger.read() as db:
        found = read_instruments(db, symbols or None)
    return found.select("symbol", "name", "listed", "delisted", "delisting_cash", "successor").rows()


def test_a_second_file_adds_to_the_first_and_is_audited(home: Home, tmp_path: Path) -> None:
    first = "symbol,name,listed,delisted,delisting_value\n600999.SH,招商,2001-01-02,,\n600000.SH,浦发,,,\n"
    assert import_instruments(home, saved(tmp_path / "a.csv", first), NOW)["changed"] == 2
    assert import_instruments(home, tmp_path / "a.csv", NOW)["changed"] == 0
    second = "symbol,delisted,delisting_value\n600999.SH,20250307,0.1339*600150.SH\n"
    assert import_instruments(home, saved(tmp_path / "b.csv", second), NOW)["changed"] == 1
    listing = ("600999.SH", "招商", date(2001, 1, 2), date(2025, 3, 7), None, "600150.SH")
    assert held(home, "600999.SH", "000001.SZ") == [listing]
    assert held(home) == [("600000.SH", "浦发", None, None, None, None), listing]
    with home.ledger.read() as db:
        entries = [(entry.action, entry.subject, entry.detail) for entry in db.exec(select(AuditEntry))]
    assert entries == [("import instruments", "a.csv", "2 changed"), ("import instruments", "b.csv", "1 changed")]


def test_a_file_that_contradicts_known_instruments_changes_nothing(home: Home, tmp_path: Path) -> None:
    import_instruments(home, saved(tmp_path / "a.csv", "symbol,listed\n600999.SH,2001-01-02\n"), NOW)
    worse = saved(tmp_path / "b.csv", "symbol,name,delisted\n600000.SH,x,\n600999.SH,y,2000-01-04\n")
    with pytest.raises(InputError, match=r"a day after 600999\.SH was listed \(2001-01-02\)"):
        import_instruments(home, worse, NOW)
    assert held(home) == [("600999.SH", None, date(2001, 1, 2), None, None, None)]


def test_a_provider_is_asked_once_a_session(home: Home) -> None:
    provider = FilesProvider(home.path / "drop")
    assert ingest_instruments(home, provider, MONDAY, NOW) == 0  # no file, no instruments
    file = saved(home.path / "drop" / "instruments.csv", "symbol,listed\n600999.SH,2001-01-02\n")
    assert ingest_instruments(home, provider, MONDAY, NOW) == 0
    assert ingest_instruments(home, provider, TUESDAY, NOW) == 1
    assert held(home) == [("600999.SH", None, date(2001, 1, 2), None, None, None)]
    file.write_text("symbol\n113999.SH\n")
    assert ingest_instruments(home, provider, MONDAY, NOW) == 0
    with pytest.raises(SourceRefused, match="a convertible bond"):
        ingest_instruments(home, provider, date(2025, 6, 25), NOW)


def test_symbols_are_known_by_an_instrument_or_a_bar(home: Home, tmp_path: Path) -> None:
    known, wanted = KnownSymbols(home.lake), ["600999.SH", "000001.SZ", "300750.SZ"]
    assert known.strangers(wanted) == []  # nothing was read yet
    known.refresh()
    assert known.strangers(wanted) == sorted(wanted)
    import_instruments(home, saved(tmp_path / "a.csv", "symbol\n600999.SH\n"), NOW)
    known.refresh()
    assert known.strangers(wanted) == ["000001.SZ", "300750.SZ"]
    for symbol, session in (("000001.SZ", MONDAY), ("300750.SZ", TUESDAY)):
        row = {"symbol": [symbol], "session": [session], "volume": [100]}
        prices = {key: [10.0] for key in ("open", "high", "low", "close")}
        pl.DataFrame(row | prices).write_parquet(tmp_path / "bars.parquet")
        import_bars(home, tmp_path / "bars.parquet", NOW)
        known.refresh()
        assert symbol not in known.strangers(wanted)
    assert known.strangers(wanted) == KnownSymbols(home.lake).strangers(wanted) == []
