"""Provenance: hashes of a settled session's inputs and results, so that it can be made again."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import polars as pl

from countersign.models.datasets import ColumnType

MANIFEST_SCHEMA = "countersign/settlement/v1"


def frame_sha256(frame: pl.DataFrame) -> str:
    """Hash a frame by its content: the SHA-256 of its CSV (header, comma, shortest digits, nulls empty).

    Unlike a Parquet file's, this hash can be made again from the same rows with any tool, in any version.
    """
    return hashlib.sha256(frame.write_csv().encode()).hexdigest()


def object_sha256(fields: Any) -> str:
    """Hash a JSON value of strings, integers, lists and objects by its canonical form (RFC 8785)."""
    return hashlib.sha256(canonical(fields)).hexdigest()


def canonical(fields: Any) -> bytes:
    """Write a JSON value of ASCII strings, integers, lists and objects down in its one canonical form."""
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)


def write_rows(frame: pl.DataFrame) -> list[list[str]]:
    """Write the rows of a small frame down for a manifest: every value as text, numbers by their shortest digits."""
    return [["" if value is None else str(value) for value in row] for row in frame.iter_rows()]


def read_rows(rows: Sequence[Sequence[str]], schema: Mapping[str, ColumnType]) -> pl.DataFrame:
    """Read the rows that `write_rows` wrote of a frame of this schema."""
    texts = pl.DataFrame(rows, schema=dict.fromkeys(schema, pl.String), orient="row")
    values = [
        pl.col(name).str.to_date() if kind == pl.Date else pl.col(name).cast(kind) for name, kind in schema.items()
    ]
    return texts.with_columns(pl.all().replace("", None)).with_columns(values)


def manifest(session: str, version: int, inputs: Mapping[str, Any], files: Iterable[Mapping[str, Any]]) -> bytes:
    """Return the manifest of a settled session: its inputs, and path, rows and SHA-256 of each file it wrote."""
    written = sorted(files, key=lambda file: str(file["path"]))
    fields = {"schema": MANIFEST_SCHEMA, "session": session, "version": version, "inputs": inputs, "files": written}
    return canonical(fields)
