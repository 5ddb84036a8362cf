"""Klines from files as they are downloaded: packed, in folders, in other units from one year to the next."""

import gzip
import zipfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from countersign.models.datasets import KLINES
from countersign.models.errors import InputError
from countersign.models.klines import series_of
from countersign.services.external.kline_imports import import_kline_files, import_klines
from countersign.services.external.klines import kline_files
from countersign.store.home import Home

SERIES = series_of("binance", "DOGE/USDT", "1m")
NOW = datetime(2025, 2, 1, tzinfo=UTC)
LAST_OF_2024 = datetime(2024, 12, 31, 23, 59, tzinfo=UTC)
NEW_YEAR = datetime(2025, 1, 1, tzinfo=UTC)


def row(opened: int, unit: int, close: float = 0.316) -> str:
    """A row as Binance publishes it, of a bar that opens so many seconds after 1970."""
    return f"{opened * unit},0.316,0.317,0.315,{close},27.0,{(opened + 60) * unit - 1},8.5,1,0.0,0.0,0\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The last minute of 2024 in milliseconds, the first three of 2025 in microseconds, as the exchange has them."""
    path = tmp_path / "downloaded"
    path.mkdir()
    with zipfile.ZipFile(path / "DOGEUSDT-1m-2024-12.zip", "w") as archive:
        archive.writestr("DOGEUSDT-1m-2024-12.csv", row(1735689540, 1000))
    with zipfile.ZipFile(path / "DOGEUSDT-1m-2025-01-01.zip", "w") as archive:
        archive.writestr("DOGEUSDT-1m-2025-01-01.csv", row(1735689600, 10**6) + row(1735689660, 10**6))
    (path / "DOGEUSDT-1m-2025-01-02.csv.gz").write_bytes(gzip.compress(row(1735689720, 10**6).encode()))
    (path / "DOGEUSDT-1m-2024-12.zip.CHECKSUM").write_text("not for us")
    return path


def held(home: Home) -> list[datetime]:
    with home.ledger.read() as db:
        files = kline_files(db, SERIES, LAST_OF_2024.date().replace(day=1))
    return home.lake.read_files(KLINES, files).sort("opened_at")["opened_at"].to_list()


def test_a_folder_comes_in_by_name_and_again_changes_nothing(home: Home, folder: Path) -> None:
    seen: list[str] = []

    def track(paths: Sequence[Path]) -> Iterable[Path]:
        for path in paths:
            seen.append(path.name)
            yield path

    done = import_kline_files(home, folder, SERIES, NOW, track=track)
    assert (done.files, done.rows, done.added, done.replaced) == (3, 4, 4, 0)
    assert (done.since, done.until) == (LAST_OF_2024, NEW_YEAR.replace(minute=2))
    assert seen == ["DOGEUSDT-1m-2024-12.zip", "DOGEUSDT-1m-2025-01-01.zip", "DOGEUSDT-1m-2025-01-02.csv.gz"]
    assert held(home) == [LAST_OF_2024, *(NEW_YEAR.replace(minute=n) for n in range(3))]
    again = import_kline_files(home, folder, SERIES, NOW)
    assert (again.files, again.rows, again.added, again.replaced) == (3, 4, 0, 0)


def test_a_faulty_file_is_named_and_those_before_it_stay(home: Home, folder: Path) -> None:
    (folder / "DOGEUSDT-1m-2025-01-01.csv").write_text(row(1735689600, 10**6) + row(1735689660, 10**6, close=-1))
    words = r"^DOGEUSDT-1m-2025-01-01\.csv, line 2, column close: .*, got '-1' \(1 file before it is in\)$"
    with pytest.raises(InputError, match=words):
        import_kline_files(home, folder, SERIES, NOW)
    assert held(home) == [LAST_OF_2024]


def test_a_folder_without_files_of_klines_is_refused(home: Home, tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing")
    with pytest.raises(InputError, match=r"^path: expected files ending in \.parquet, \.csv, \.gz, \.zip, got none in"):
        import_kline_files(home, tmp_path, SERIES, NOW)


def test_a_packed_file_is_named_by_its_member(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "dump.csv.gz"
    path.write_bytes(gzip.compress((row(1735689600, 10**6) + "1,2\n").encode()))
    with pytest.raises(InputError, match=r"^dump\.csv, line 2: expected 12 fields, as in line 1, got 2$"):
        import_klines(home, path, SERIES, NOW)
    with pytest.raises(
        InputError, match=r"^path: expected a Parquet or CSV file, got .*missing\.zip, which is not there"
    ):
        import_klines(home, tmp_path / "missing.zip", SERIES, NOW)
