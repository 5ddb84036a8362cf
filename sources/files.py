"""Tables in files, Parquet or CSV, and the provider `files`: a folder in which somebody drops one file a session."""

from datetime import date
from pathlib import Path

import polars as pl

from models.errors import InputError, SourceBusy, SourceRefused

PARQUET_MAGIC = b"PAR1"
SUFFIXES = (".parquet", ".csv")


def read_table(path: Path) -> pl.DataFrame:
    """Read a whole Parquet or CSV file. CSV values come as text: their types are for the reader of the table to check.

    InputError, naming the path, for a file that is missing, empty, or not what its name says.
    """
    if not path.is_file():
        raise InputError("path", "a Parquet or CSV file", f"{path}, which is not there")
    is_csv = path.suffix.lower() == ".csv"
    try:
        if is_csv:
            return pl.read_csv(path, infer_schema=False)
        with path.open("rb") as file:
            if file.read(len(PARQUET_MAGIC)) != PARQUET_MAGIC:
                raise InputError("path", "a Parquet file (or CSV, named .csv)", f"{path}, which is neither")
        return pl.read_parquet(path, hive_partitioning=False, glob=False)
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        kind = "a CSV file with a header" if is_csv else "a whole Parquet file"
        raise InputError("path", kind, f"{path}: {reason}") from error


class FilesProvider:
    """`<folder>/bars/YYYY-MM-DD.parquet` (or .csv) and `<folder>/index_levels/…`, one file a session.

    `<folder>/instruments.parquet` (or .csv) is optional.
    Whoever writes there should rename a finished file into place; half a file is refused.
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
