"""CSV files as people have them: forms that are taken, and refusals with the line and the mend."""

from pathlib import Path

import polars as pl
import pytest

from countersign.models.errors import InputError, RowError
from countersign.sources.files.tables import naming, read_batches, read_checked, read_table

HEADER = "expected a header line with the names of the columns, got"


def write(folder: Path, content: bytes | str, name: str = "bars.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("a,b\n1,2\n", [("1", "2")]),
        ("a,b\r\n1,2\r\n", [("1", "2")]),
        ("\ufeffa,b\n1,2", [("1", "2")]),
        ("a , b\n1, 2\n,  \n", [("1", "2"), (None, None)]),
        ('"a","b"\n"x, y",\n"p\nq",3\n', [("x, y", None), ("p\nq", "3")]),
        ("a,b\n涨,\n", [("涨", None)]),
        ("a\n1\n", [("1",)]),
        ("a,b\n", []),
    ],
)
def test_a_csv_file_is_read_with_its_quotes_blanks_and_line_ends(
    tmp_path: Path, content: str, rows: list[tuple[str | None, ...]]
) -> None:
    path = write(tmp_path, content)
    for frame in (read_table(path), pl.concat(read_batches(path))):
        assert frame.rows() == rows
        assert frame.columns == ["a", "b"][: frame.width]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", f"line 1: {HEADER} an empty file"),
        ("\na,b\n", f"line 1: {HEADER} an empty line"),
        (",a,b\n0,1,2\n", "line 1: expected a name for every column, got a column without a name, number 1 (pandas'"),
        ("a,b,\n1,2,\n", "line 1: expected a name for every column, got a column without a name, number 3"),
        ("a,b,a\n1,2,3\n", "line 1: expected each column once, got a twice"),
        ("a;b\n1;2\n", "line 1: expected columns separated by ',', got columns separated by ';'"),
        ("a\tb\n1\t2\n", r"line 1: expected columns separated by ',', got columns separated by '\t'"),
        ("600000.SH,2024-01-02,10.5\n", f"line 1: {HEADER} no header line but 600000.SH, 2024-01-02, 10.5"),
        ("1735689600000,1,2\n", f"line 1: {HEADER} no header line but 1735689600000, 1, 2"),
        ("代码,b\n1,2\n".encode("gbk"), "line 1: expected UTF-8, got not UTF-8 (GBK? save it as UTF-8)"),
        ("a,b\n1,2\n涨,2\n".encode("gbk"), "line 3: expected UTF-8, got not UTF-8 (GBK? save it as UTF-8)"),
        ("a,b\n1,2\n".encode("utf-16"), "line 1: expected UTF-8, got not UTF-8 (UTF-16? save it as UTF-8)"),
        ("a,b\n1,2\n".encode("utf-16-be"), "line 1: expected UTF-8, got not UTF-8 (UTF-16? save it as UTF-8)"),
        ("a,b\n1,2\n3,4,5\n", "line 3: expected 2 fields, as in line 1, got 3 (a comma within a value? put"),
        ("a,b\n1,2\n3\n", "line 3: expected 2 fields, as in line 1, got 1"),
        ("a,b\n1,2\n\n3,4\n", "line 3: expected 2 fields, as in line 1, got an empty line"),
        ('a,b\n"p\nq",2\n3\n', "line 4: expected 2 fields, as in line 1, got 1"),
    ],
)
def test_a_faulty_csv_file_is_refused_by_line(tmp_path: Path, content: bytes | str, said: str) -> None:
    path = write(tmp_path, content)
    for read in (read_table, lambda path: list(read_batches(path))):
        with pytest.raises(InputError) as caught:
            read(path)
        assert str(caught.value).startswith(f"bars.csv, {said}")
        assert caught.value.field == "path"


def test_a_faulty_row_is_named_by_the_line_that_it_ends_on(tmp_path: Path) -> None:
    def refuse(_: pl.DataFrame) -> None:
        raise RowError("b", "a number", "'x'", 2, 1)

    plain, broken = write(tmp_path, "a,b\n1,2\n3,x\n"), write(tmp_path, 'a,b\n"1\n1",2\n3,x\n', "broken.csv")
    parquet = tmp_path / "bars.parquet"
    read_table(plain).write_parquet(parquet)
    for path, place in ((plain, "line 3"), (broken, "line 4"), (parquet, "row 2")):
        with pytest.raises(InputError) as caught:
            read_checked(path, refuse)
        assert str(caught.value) == f"{path.name}, {place}, column b: expected a number, got 'x' (and in 1 more)"
        assert caught.value.field == "b"


def test_rows_before_a_part_are_counted_and_other_faults_name_the_file(tmp_path: Path) -> None:
    words = r"^s\.parquet, row 12, column b: expected a number, got null$"
    with pytest.raises(InputError, match=words), naming(tmp_path / "s.parquet", 10):
        raise RowError("b", "a number", "null", 2)
    words = r"^colour: expected only a, got an unknown column in s\.parquet$"
    with pytest.raises(InputError, match=words), naming(tmp_path / "s.parquet"):
        raise InputError("colour", "only a", "an unknown column")


def test_a_large_file_is_read_in_parts_in_its_order(tmp_path: Path) -> None:
    frame = pl.DataFrame({"n": pl.int_range(500_000, eager=True)})
    frame.write_parquet(tmp_path / "n.parquet", row_group_size=50_000)
    parts = list(read_batches(tmp_path / "n.parquet"))
    assert len(parts) > 1
    assert pl.concat(parts).equals(frame)
