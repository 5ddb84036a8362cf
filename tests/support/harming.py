"""Harm to files, as somebody does it who does not want to be noticed: every file keeps its modification time."""

import os
from pathlib import Path

import polars as pl
import polars.selectors as cs

from countersign.store.lake.lake import encode


def rewrite(path: Path, content: bytes) -> None:
    """Write other bytes into a file, and give it its old time."""
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def change_a_figure(path: Path) -> None:
    """Make it a valid file with one more in the first row's first figure."""
    frame = pl.read_parquet(path, hive_partitioning=False)
    [column, *_] = frame.select(cs.numeric()).columns
    more = pl.when(pl.int_range(pl.len()) == 0).then(pl.col(column) + 1).otherwise(pl.col(column))
    rewrite(path, encode(frame.with_columns(more.cast(frame.schema[column]).alias(column))))


def flip_a_bit(path: Path) -> None:
    """Change one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    rewrite(path, bytes(content))


def cut(path: Path) -> None:
    """Take the last bytes away."""
    rewrite(path, path.read_bytes()[:-10])


def put_another_in_its_place(path: Path) -> None:
    """Rename another file to it, of the same size and time: what was there is not written to."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    other = path.with_suffix(".other")
    other.write_bytes(content)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
