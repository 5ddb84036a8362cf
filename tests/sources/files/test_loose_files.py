"""Tables as people have them: encodings, separators, packed files, workbooks, folders."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from countersign.domain.market.profiles import FILE, ROW
from countersign.models.errors import InputError
from countersign.sources.files.loose_files import read_loose
from tests.support.workbooks import write_workbook

TEXT = "代码,收盘\n600000.SH,10.5\n600001.SH,9\n"
ROWS = [("600000.SH", "10.5", "bars", 1), ("600001.SH", "9", "bars", 2)]


def read(path: Path) -> tuple[pl.DataFrame, str]:
    (frame,), remarks = read_loose(path)
    return frame, remarks[0]


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (TEXT.encode(), "UTF-8, separated by commas"),
        (TEXT.encode("utf-8-sig"), "UTF-8 with a byte order mark, separated by commas"),
        (TEXT.encode("gbk"), "GB18030, as GBK, separated by commas"),
        (TEXT.encode("utf-16"), "UTF-16, separated by commas"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "UTF-16, separated by commas"),
        (TEXT.encode("utf-16-le"), "UTF-16 without a byte order mark, separated by commas"),
        (TEXT.encode("utf-16-be"), "UTF-16 without a byte order mark, separated by commas"),
        (TEXT.replace(",", ";").encode(), "UTF-8, separated by semicolons"),
        (TEXT.replace(",", "\t").encode(), "UTF-8, separated by tabs"),
        (TEXT.replace("\n", "\r\n").encode(), "UTF-8, separated by commas"),
        (TEXT.replace("代码,收盘", " 代码 , 收盘").encode(), "UTF-8, separated by commas"),
        (gzip.compress(TEXT.encode("gbk")), "GB18030, as GBK, separated by commas"),
    ],
    ids=lambda value: value if isinstance(value, str) else "bytes",
)
def test_text_is_read_in_its_encoding_and_separator(tmp_path: Path, content: bytes, said: str) -> None:
    frame, remark = read(written(tmp_path / "bars.csv", content))
    assert (frame.columns, frame.rows()) == (["代码", "收盘", FILE, ROW], ROWS)
    assert remark == f"read: bars.csv ({said})"


def test_packed_and_columnar_files_are_read(tmp_path: Path) -> None:
    frame, _ = read(written(tmp_path / "bars.csv.gz", gzip.compress(TEXT.encode())))
    assert frame.rows() == ROWS
    typed = pl.DataFrame({"代码": ["600000.SH"], "收盘": [10.5]})
    typed.write_parquet(tmp_path / "bars.parquet")
    typed.write_ipc(tmp_path / "bars.feather")
    for name, kind in (("bars.parquet", "Parquet"), ("bars.feather", "Feather")):
        frame, remark = read(tmp_path / name)
        assert (frame.rows(), remark) == ([("600000.SH", 10.5, "bars", 1)], f"read: {name} ({kind})")


def test_a_workbook_is_one_sheet(tmp_path: Path) -> None:
    header = ["代码", None, "收盘"]
    path = write_workbook(tmp_path / "bars.xlsx", [header, ["600000.SH", 1, 10.5], ["000001.SZ", 2, 9]], [])
    frame, remark = read(path)
    assert frame.columns == ["代码", "Unnamed: 1", "收盘", FILE, ROW]
    assert frame.rows() == [("600000.SH", "1", "10.5", "bars", 1), ("000001.SZ", "2", "9", "bars", 2)]
    assert remark == "read: bars.xlsx (Excel, sheet Sheet1)"
    with pytest.raises(InputError, match=r"not empty, got .* with Sheet1, Sheet2"):
        read_loose(write_workbook(tmp_path / "two.xlsx", [header], [header]))
    with pytest.raises(InputError, match="an Excel workbook"):
        read_loose(written(tmp_path / "none.xlsx", b"PK\x03\x04"))


def test_a_folder_is_its_files_by_header(tmp_path: Path) -> None:
    written(tmp_path / "sh600000.csv", b"date,close\n2025-06-23,10\n")
    written(tmp_path / "sh600001.csv", b"close;date\n11;2025-06-23\n12;2025-06-24\n")
    written(tmp_path / "sh600002.csv", b"date,close\n")
    written(tmp_path / "factors.csv", b"date,factor\n2025-06-23,1\n")
    written(tmp_path / "readme.md", b"about")
    frames, remarks = read_loose(tmp_path)
    assert sorted(frame.rows() for frame in frames) == [
        [("2025-06-23", "1", "factors", 1)],
        [
            ("2025-06-23", "10", "sh600000", 1),
            ("2025-06-23", "11", "sh600001", 1),
            ("2025-06-24", "12", "sh600001", 2),
        ],
    ]
    assert remarks[0] == f"read: {tmp_path.name} (3 x UTF-8, separated by commas, 1 x UTF-8, separated by semicolons)"
    assert remarks[1].endswith(": 1")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("bars.csv", b"", "a header separated by"),
        ("bars.csv", b"close\n1\n", "a header separated by"),
        ("bars.csv", b"a,b;c\n1,2;3\n", "a header separated by"),
        ("bars.csv", b"a,b\n1,2\n3,4,5\n", "2 fields in every line, got 3 in line 3"),
        ("bars.csv", b"a,b\nJan 02, 2024,2\n", "2 fields in every line, got 3 in line 2"),
        ("bars.csv", b"close,close\n1,2\n", "close: expected a column once"),
        ("bars.csv", b"a;b\n10,5;3\n", "a: expected numbers with a decimal point.*'10,5' in row 1"),
        ("bars.csv", b"a,b\n\xff\xff\xff,1\n", "UTF-8, UTF-16, GBK or GB18030"),
        ("bars.csv.gz", b"\x1f\x8bnothing", "a whole table"),
        ("bars.parquet", b"PAR1", "a whole table"),
        ("bars.feather", b"a,b\n1,2\n", "a whole table"),
        ("bars.xls", b"", "a file of .csv"),
    ],
)
def test_an_unreadable_or_ambiguous_file_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read_loose(written(tmp_path / name, content))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_path_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not there"):
        read_loose(tmp_path / "none.csv")
    with pytest.raises(InputError, match="which has none"):
        read_loose(tmp_path)
