"""Tables as tools export them: files in any encoding and separator, packed, of Excel, or a folder of a file a symbol.

It reports encoding, separator and files, and decides nothing about the columns. Values of text files and of Excel come
as text.
"""

import csv
import gzip
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import polars as pl

from countersign.domain.market.profiles import FILE, ROW
from countersign.models.errors import InputError

TEXT: Final = (".csv", ".tsv", ".txt")
ENDINGS: Final = (*TEXT, *(f"{ending}.gz" for ending in TEXT), ".parquet", ".feather", ".arrow", ".xlsx")
SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs"}
BYTE_ORDER_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8-sig", "UTF-8 with a byte order mark"),
    (b"\xff\xfe", "utf-16", "UTF-16"),
    (b"\xfe\xff", "utf-16", "UTF-16"),
)


def read_loose(path: Path) -> tuple[list[pl.DataFrame], list[str]]:
    """Read a file, or every table in a folder; return one frame for each header, in any order, and the findings.

    The frames have the columns FILE (the name without its endings) and ROW (counted from 1 in each file) too.
    InputError names the file that is no table, or has an encoding or a separator that cannot be recognised.
    """
    files = _files(path)
    frames: dict[frozenset[str], list[pl.DataFrame]] = {}
    found: Counter[str] = Counter()
    for file in files:
        try:
            frame, kind = _reader(file)(file)
        except (pl.exceptions.PolarsError, OSError, EOFError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError("path", "a whole table", f"{file}: {reason}") from error
        found[kind] += 1
        stem = pl.lit(_stem(file)).alias(FILE)
        frames.setdefault(frozenset(frame.columns), []).append(
            frame.select(pl.all(), stem, pl.int_range(1, pl.len() + 1).alias(ROW))
        )
    kinds = ", ".join(f"{count:,} x {kind}" if len(files) > 1 else kind for kind, count in found.most_common())
    remarks = [f"read: {path.name} ({kinds})"]
    if path.is_dir() and (others := sum(file.is_file() for file in path.iterdir()) - len(files)):
        remarks.append(f"files left out, of no ending {', '.join(ENDINGS)}: {others}")
    return [
        pl.concat((frame.select(same[0].columns) for frame in same), how="vertical_relaxed") for same in frames.values()
    ], remarks


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.is_file() and each.name.lower().endswith(ENDINGS))
        if not files:
            raise InputError("path", f"a folder with files of {', '.join(ENDINGS)}", f"{path}, which has none")
        return files
    if not path.is_file():
        raise InputError("path", "a file or a folder", f"{path}, which is not there")
    if not path.name.lower().endswith(ENDINGS):
        raise InputError("path", f"a file of {', '.join(ENDINGS)}", path.name)
    return [path]


def _stem(file: Path) -> str:
    ending = next(ending for ending in sorted(ENDINGS, key=len, reverse=True) if file.name.lower().endswith(ending))
    return file.name[: -len(ending)]


def _reader(file: Path) -> Callable[[Path], tuple[pl.DataFrame, str]]:
    match file.suffix.lower():
        case ".parquet":
            return lambda each: (pl.read_parquet(each, hive_partitioning=False, glob=False), "Parquet")
        case ".feather" | ".arrow":
            return lambda each: (pl.read_ipc(each), "Feather")
        case ".xlsx":
            return _read_excel
        case _:
            return _read_text


def _read_text(file: Path) -> tuple[pl.DataFrame, str]:
    content = file.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    text, encoding = _decode(content, file)
    text = text.lstrip("\r\n")
    first = text.split("\n", 1)[0].rstrip("\r")
    separator = _separator(first, file)
    names = _names(next(csv.reader([first], delimiter=separator)), file)
    try:
        frame = pl.read_csv(
            io.BytesIO(text.encode()),
            has_header=False,
            skip_rows=1,
            new_columns=names,
            schema=dict.fromkeys(names, pl.String),
            separator=separator,
        )
    except pl.exceptions.NoDataError:
        frame = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    except pl.exceptions.PolarsError as error:
        odd = _odd_line(text, separator, len(names))
        if odd is None:
            raise
        raise InputError("path", f"{len(names)} fields in every line", f"{odd} of {file}") from error
    if separator == ";":
        _refuse_decimal_commas(frame, file)
    return frame, f"{encoding}, separated by {SEPARATORS[separator]}"


def _decode(content: bytes, file: Path) -> tuple[str, str]:
    tries = [(codec, name) for mark, codec, name in BYTE_ORDER_MARKS if content.startswith(mark)]
    if not tries and b"\x00" in content[:200]:
        odd = content[1:200:2].count(0) > content[:200:2].count(0)
        tries = [("utf-16-le" if odd else "utf-16-be", "UTF-16 without a byte order mark")]
    for codec, name in tries or [("utf-8", "UTF-8"), ("gb18030", "GB18030, as GBK")]:
        try:
            return content.decode(codec), name
        except UnicodeDecodeError:
            continue
    raise InputError("path", "text in UTF-8, UTF-16, GBK or GB18030", f"{file}, which is in none of them")


def _separator(line: str, file: Path) -> str:
    """The one separator by which the header has most columns."""
    widths = {separator: len(next(csv.reader([line], delimiter=separator), [])) for separator in SEPARATORS}
    most = max(widths.values())
    best = [separator for separator, width in widths.items() if width == most]
    if most < 2 or len(best) > 1:
        expected = f"a header separated by {', '.join(SEPARATORS.values())}"
        raise InputError("path", expected, f"{file}: {line[:80]!r}")
    return best[0]


def _names(header: list[str], file: Path) -> list[str]:
    """The header's names; one that is empty is called as pandas does, by its place. InputError for one given twice."""
    names = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(header)]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise InputError(twice, "a column once", f"several in {file}")
    return names


def _odd_line(text: str, separator: str, width: int) -> str | None:
    """The first line with more fields than the header."""
    rows = csv.reader(io.StringIO(text), delimiter=separator)
    return next((f"{len(row)} in line {rows.line_num}" for row in rows if len(row) > width), None)


def _refuse_decimal_commas(frame: pl.DataFrame, file: Path) -> None:
    """Refuse commas in numbers beside semicolons: a decimal point and a thousands separator look the same."""
    for name in frame.columns:
        row = frame.get_column(name).str.contains(r"^[+-]?\d+,\d+$").fill_null(value=False).arg_true()
        if row.len():
            got = f"{frame[name][row[0]]!r} in row {row[0] + 1} of {file}"
            raise InputError(name, "numbers with a decimal point, in a file separated by semicolons", got)


def _read_excel(file: Path) -> tuple[pl.DataFrame, str]:
    import fastexcel  # noqa: PLC0415 - large, and needed for workbooks alone

    try:
        book = fastexcel.read_excel(file)
        sheets = [name for name in book.sheet_names if book.load_sheet(name, n_rows=1, dtypes="string").width]
        if len(sheets) != 1:
            expected = "a workbook with one sheet that is not empty"
            raise InputError("path", expected, f"{file} with {', '.join(sheets) or 'none'}")
        sheet = book.load_sheet(sheets[0], dtypes="string", header_row=0)
    except fastexcel.FastExcelError as error:
        raise InputError("path", "an Excel workbook (.xlsx)", f"{file}: {str(error).splitlines()[0]}") from error
    frame: pl.DataFrame = pl.DataFrame(sheet)
    names = _names([name.replace("__UNNAMED__", "Unnamed: ") for name in frame.columns], file)
    return frame.rename(dict(zip(frame.columns, names, strict=True))), f"Excel, sheet {sheets[0]}"
