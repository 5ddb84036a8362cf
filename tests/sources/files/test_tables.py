"""Files handed in, and the drop folder."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from countersign.models.errors import InputError, SourceBusy, SourceRefused
from countersign.sources.files.tables import FilesProvider, read_table

SESSION = date(2025, 1, 2)
FRAME = pl.DataFrame({"symbol": ["600000.SH"], "close": [10.5]})


def test_parquet_keeps_its_types_and_csv_is_text(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "bars.parquet")
    FRAME.write_csv(tmp_path / "bars.csv")
    assert read_table(tmp_path / "bars.parquet").equals(FRAME)
    assert read_table(tmp_path / "bars.csv").rows() == [("600000.SH", "10.5")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bars.parquet", b"symbol,close\n600000.SH,10.5\n"),
        ("bars.parquet", b""),
        ("bars.parquet", b"PAR1"),
        ("bars.parquet", b"PAR1" + bytes(100) + b"PAR1"),
        ("bars.csv", b""),
        ("bars.csv", b"symbol,close\n600000.SH,10.5,11\n"),
        ("bars.csv", b"symbol,close\n\xff\xfe\x00,1\n"),
        ("bars.xlsx", b"PK\x03\x04"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(path)
    assert caught.value.field == "path"
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cut_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    pl.DataFrame({"close": [float(n) for n in range(10_000)]}).write_parquet(path)
    whole = path.read_bytes()
    for keep in (len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:keep])
        with pytest.raises(InputError, match="whole Parquet file"):
            read_table(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.parquet", tmp_path):
        with pytest.raises(InputError, match="not there"):
            read_table(path)


def test_the_drop_folder_has_one_file_a_session(tmp_path: Path) -> None:
    provider = FilesProvider(tmp_path)
    for fetch in (provider.fetch_bars, provider.fetch_index_levels):
        with pytest.raises(SourceBusy, match="2025-01-02"):
            fetch(SESSION)
    for kind in ("bars", "index_levels"):
        (tmp_path / kind).mkdir()
    FRAME.write_parquet(tmp_path / "bars" / "2025-01-02.parquet")
    FRAME.write_csv(tmp_path / "index_levels" / "2025-01-02.csv")
    assert provider.fetch_bars(SESSION).equals(FRAME)
    assert provider.fetch_index_levels(SESSION).height == 1
    (tmp_path / "bars" / "2025-01-02.parquet").write_bytes(b"half")
    with pytest.raises(SourceRefused, match="Parquet"):
        provider.fetch_bars(SESSION)
