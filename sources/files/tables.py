"""Tables in files, Parquet or CSV, and the provider `files`: a folder that gets one file a session."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TypeVar

import polars as pl

from countersign.models.errors import InputError, RowError, SourceBusy, SourceRefused
from countersign.sources.files.csv_files import Headless, check_widths, explain, line_of, scan_csv

PARQUET_MAGIC = b"PAR1"
SUFFIXES = (".parquet", ".csv")
T = TypeVar("T")


def read_table(path: Path, *, headless: Headless | None = None) -> pl.DataFrame:
    """Read a whole Parquet or CSV file. CSV values come as text: the caller checks their types.

    `headless` tells the columns of a CSV file without a header line by its first fields. InputError, naming the file,
    for one that is missing, empty, or of another format than its name says; of a CSV file it names the line.
    """
    with _foreign(path):
        frame = _scan(path, headless).collect()
        _check_last_column(path, frame)
    return frame


def read_batches(path: Path) -> Iterator[pl.DataFrame]:
    """Read a Parquet or CSV file part by part, in its order; at least one. InputError as read_table."""
    with _foreign(path):
        frame = _scan(path)
        empty = pl.DataFrame(schema=frame.collect_schema())
        batches = frame.collect_batches(lazy=True)
    some = False
    while True:
        with _foreign(path):
            batch = next(batches, empty)
            if batch is empty:
                break
            _check_last_column(path, batch)
        some = True
        yield batch
    if not some:
        yield empty


def _scan(path: Path, headless: Headless | None = None) -> pl.LazyFrame:
    if not path.is_file():
        raise InputError("path", "a Parquet or CSV file", f"{path}, which is not there")
    if is_csv(path):
        return scan_csv(path, headless)
    with path.open("rb") as file:
        if file.read(len(PARQUET_MAGIC)) != PARQUET_MAGIC:
            raise InputError("path", "a Parquet file (or CSV, named .csv)", f"{path}, which is neither")
    return pl.scan_parquet(path, hive_partitioning=False, glob=False)


def _check_last_column(path: Path, frame: pl.DataFrame) -> None:
    """Raise InputError for a line of a CSV file with too few fields: those that lack are null, and the last does."""
    if is_csv(path) and frame.to_series(-1).null_count():
        check_widths(path)


@contextmanager
def _foreign(path: Path) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        if is_csv(path) and (fault := explain(path)):
            raise fault from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        kind = "a CSV file with a header" if is_csv(path) else "a whole Parquet file"
        raise InputError("path", kind, f"{path}: {reason}") from error


def read_checked(path: Path, check: Callable[[pl.DataFrame], T], *, headless: Headless | None = None) -> T:
    """Read a file and return its table as `check` returns it; an InputError of it names the file and the line."""
    frame = read_table(path, headless=headless)
    with naming(path):
        return check(frame)


@contextmanager
def naming(path: Path, rows_before: int = 0) -> Iterator[None]:
    """Let an InputError about a table name the file that it came from; one about a row names its line (Parquet: row).

    `rows_before` are rows of the file before the table.
    """
    try:
        yield
    except RowError as error:
        row = error.row + rows_before
        place = f"line {line_of(path, row)}" if is_csv(path) else f"row {row}"
        where = f"{path.name}, {place}, column {error.field}"
        raise InputError(error.field, error.expected, f"{error.value}{error.others}", where=where) from error
    except InputError as error:
        raise InputError(error.field, error.expected, f"{error.got} in {path.name}") from error


def is_csv(path: Path) -> bool:
    """Say whether a file is CSV by its name."""
    return path.suffix.lower() == ".csv"


class FilesProvider:
    """`<folder>/bars/YYYY-MM-DD.parquet` (or .csv) and `<folder>/index_levels/…`, one file a session.

    `<folder>/instruments.parquet` (or .csv) is optional.
    A writer should rename a finished file into place; half a file is refused.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fetch_bars(self, session: date) -> pl.DataFrame:
        """Read the session's bars; SourceBusy while there is no file."""
        return self._read("bars", session)

    def fetch_index_levels(self, session: date) -> pl.DataFrame:
        """Read the session's index levels; SourceBusy while there is no file."""
        return self._read("index_levels", session)

    def fetch_instruments(self) -> pl.DataFrame:
        """Read the file of instruments; no row where there is none."""
        for suffix in SUFFIXES:
            path = self.folder / f"instruments{suffix}"
            if path.exists():
                try:
                    return read_table(path)
                except InputError as error:
                    raise SourceRefused(str(error)) from error
        return pl.DataFrame(schema={"symbol": pl.String})

    def _read(self, kind: str, session: date) -> pl.DataFrame:
        for suffix in SUFFIXES:
            path = self.folder / kind / f"{session}{suffix}"
            if path.exists():
                try:
                    return read_table(path)
                except InputError as error:
                    raise SourceRefused(str(error)) from error
        raise SourceBusy(f"no file {self.folder / kind / str(session)}.parquet (or .csv) yet")
