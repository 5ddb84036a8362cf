"""Packed files as they are downloaded: gzip, and zip with one table in it."""

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from countersign.models.errors import InputError

MOST_BYTES = 2 * 1024**3
CHUNK_BYTES = 1024 * 1024
SUFFIXES = (".gz", ".zip")
NAMES_SHOWN = 3
# The Mac's archiver adds a folder with attributes of its own.
FOREIGN = "__MACOSX/"
# zipfile raises the last two for a file with a password, and for a method it does not know.
UNREADABLE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, NotImplementedError)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Give the table that is packed in a file, as a temporary file of its own; other files as they are.

    InputError for a file that is not sound, a zip without a table or with several, and more than 2 GiB unpacked: the
    size that the file itself states is not believed.
    """
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        yield path
        return
    with TemporaryDirectory() as folder:
        try:
            table = _unpack(path, Path(folder))
        except UNREADABLE as error:
            raise InputError("path", "a sound .gz or .zip file", f"{path}: {error}") from error
        yield table


def _unpack(path: Path, folder: Path) -> Path:
    if path.suffix.lower() == ".gz":
        # A name without another ending is taken for CSV's.
        name = path.stem if Path(path.stem).suffix else f"{path.stem}.csv"
        with gzip.open(path) as packed:
            return _copy(packed, folder / name, path)
    with zipfile.ZipFile(path) as archive:
        members = [each for each in archive.infolist() if not each.is_dir() and not each.filename.startswith(FOREIGN)]
        if len(members) != 1:
            names = ", ".join(each.filename for each in members[:NAMES_SHOWN])
            more = f" and {len(members) - NAMES_SHOWN} more" if len(members) > NAMES_SHOWN else ""
            raise InputError("path", "one CSV or Parquet file in a zip", f"{names or 'none'}{more}", where=path.name)
        with archive.open(members[0]) as packed:
            return _copy(packed, folder / Path(members[0].filename).name, path)


def _copy(packed: IO[bytes] | gzip.GzipFile, target: Path, path: Path) -> Path:
    size = 0
    with target.open("wb") as file:
        while chunk := packed.read(CHUNK_BYTES):
            size += len(chunk)
            if size > MOST_BYTES:
                raise InputError("path", f"at most {MOST_BYTES:,} bytes unpacked", "more", where=path.name)
            file.write(chunk)
    return target
