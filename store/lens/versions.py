"""The lens's published version: where it lies, and how it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

LINK = "countersign.duckdb"


def current_version(home: Path) -> Path | None:
    """Return the resolved path of the published version of the home at `home`; None before the first publication."""
    try:
        return home / (home / LINK).readlink()
    except FileNotFoundError:
        return None


def open_read_only(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a published version. The one way to: DuckDB refuses two configurations of a file in one process."""
    import duckdb  # noqa: PLC0415 - a tenth of a second, which the name of a version need not cost

    return duckdb.connect(path, read_only=True)
