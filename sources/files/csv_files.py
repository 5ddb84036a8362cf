"""CSV files: UTF-8, a header line, commas. Everything else is refused by line, with the mend; nothing is guessed.

Values come as text: the reader of the table checks their types.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import polars as pl

from countersign.models.errors import InputError

HEADER = "a header line with the names of the columns"
MOST_HEADER_BYTES = 1024 * 1024
BOM = b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")
OTHER_SEPARATORS = (";", "\t", "|")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# No text of a table holds this, so that a whole line is one value.
NO_SEPARATOR = "\x1f"

Headless = Callable[[Sequence[str]], Sequence[str] | None]


def scan_csv(path: Path, headless: Headless | None = None) -> pl.LazyFrame:
    """Scan a CSV file, its columns as text. If its names have blanks around them, these are stripped, of values too.

    `headless` tells the columns of a file without a header line by its first fields. InputError for faults that the
    first line shows.
    """
    written = _first_fields(path)
    names = [name.strip() for name in written]
    has_header = _is_header(names)
    if has_header:
        _check_names(path, names)
    else:
        columns = headless(names) if headless else None
        if columns is None:
            raise _fault(path, 1, HEADER, f"no header line but {', '.join(names)}")
        names = list(columns)
    frame = pl.scan_csv(path, has_header=has_header, with_column_names=lambda _: names, infer_schema=False, glob=False)
    if not has_header or names == written:
        return frame
    plain = pl.all().str.strip_chars()
    return frame.with_columns(pl.when(plain != "").then(plain))


def explain(path: Path) -> InputError | None:
    """Say which line of a file is no UTF-8, or has not as many fields as the first; None where there is none."""
    with path.open("rb") as file:
        for line, content in enumerate(file, start=1):
            try:
                content.decode()
            except UnicodeDecodeError:
                return _other_encoding(path, line)
    width = len(_first_fields(path))
    for line, fields in _records(path):
        if len(fields) != width:
            mend = " (a comma within a value? put the value in quotes)" if len(fields) > width else ""
            got = f"{len(fields)}{mend}" if fields else "an empty line"
            return _fault(path, line, f"{width} fields, as in line 1", got)
    return None


def check_widths(path: Path) -> None:
    """Raise InputError, naming the line, for one with fewer fields than the first: they would pass for empty ones."""
    lines = pl.scan_csv(
        path,
        separator=NO_SEPARATOR,
        quote_char=None,
        has_header=False,
        with_column_names=lambda _: ["line"],
        infer_schema=False,
        glob=False,
    )
    commas = pl.col("line").str.count_matches(",", literal=True).fill_null(0)
    # A quoted comma separates nothing, which only the slow way knows.
    uneven = lines.select(commas.n_unique() > 1).collect().item()
    if uneven and (fault := explain(path)):
        raise fault


def line_of(path: Path, row: int) -> int:
    """Return the line of the file on which a row, counted from 1 below the header, ends."""
    before = row if _is_header(_first_fields(path)) else row - 1
    line, _ = next(islice(_records(path), before, None), (before + 1, []))
    return line


def _first_fields(path: Path) -> list[str]:
    with path.open("rb") as file:
        line = file.readline(MOST_HEADER_BYTES)
    if line.startswith(UTF16) or b"\0" in line:
        raise _fault(path, 1, "UTF-8", "not UTF-8 (UTF-16? save it as UTF-8)")
    try:
        text = line.removeprefix(BOM).decode()
    except UnicodeDecodeError:
        raise _other_encoding(path, 1) from None
    try:
        fields = next(csv.reader([text]), [])
    except csv.Error as error:
        raise _fault(path, 1, HEADER, str(error)) from error
    if not text.strip():
        raise _fault(path, 1, HEADER, "an empty line" if line else "an empty file")
    if len(fields) == 1:
        for separator in OTHER_SEPARATORS:
            if separator in text:
                raise _fault(path, 1, "columns separated by ','", f"columns separated by {separator!r}")
    return fields


def _is_header(fields: Sequence[str]) -> bool:
    """Whether these fields are names: no column is called by a number."""
    return not any(NUMBER.fullmatch(field.strip()) for field in fields)


def _check_names(path: Path, names: Sequence[str]) -> None:
    for n, name in enumerate(names, start=1):
        if not name:
            mend = "pandas' index? write it with to_csv(index=False)"
            raise _fault(path, 1, "a name for every column", f"a column without a name, number {n} ({mend})")
        if name in names[: n - 1]:
            raise _fault(path, 1, "each column once", f"{name} twice")


def _other_encoding(path: Path, line: int) -> InputError:
    return _fault(path, line, "UTF-8", "not UTF-8 (GBK? save it as UTF-8)")


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        try:
            for fields in reader:
                yield reader.line_num, fields
        except csv.Error:
            return


def _fault(path: Path, line: int, expected: str, got: str) -> InputError:
    return InputError("path", expected, got, where=f"{path.name}, line {line}")
