"""Insertions into the ledger that handle an existing row, in the dialect of its database."""

from typing import Any

from sqlalchemy.dialects import sqlite
from sqlmodel import Session


def insert_into(db: Session, table: type[Any]) -> sqlite.Insert:
    """Begin an insertion with `on_conflict_do_nothing` and `on_conflict_do_update`, which PostgreSQL has too."""
    if db.get_bind().dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - 0.05 s, which SQLite need not pay

        return postgresql.insert(table)  # type: ignore[return-value]  # two classes with the same methods
    return sqlite.insert(table)
