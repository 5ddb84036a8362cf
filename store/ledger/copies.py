"""Copies of a ledger as one SQLite file that any machine reads, from and to any database.

The copy is one state of the ledger, taken while everybody works. Its schema is that of the version that made it.
"""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel

import countersign.models.tables.registry  # noqa: F401 - registers every table
from countersign.models.errors import StoreError
from countersign.store.ledger.ledger import Ledger

ROWS_AT_ONCE = 5_000


def copy_out(ledger: Ledger, path: Path) -> None:
    """Write a ledger's present state to an SQLite file that is not there yet."""
    if ledger.engine.dialect.name == "sqlite":
        try:
            with ledger.engine.connect() as connection:
                connection.exec_driver_sql("VACUUM INTO ?", (str(path),))
        except DBAPIError as error:
            raise StoreError(f"{path}: the ledger could not be copied ({error.orig})") from error
        return
    with open_copy(path) as copy:
        copy.migrate()
        _copy_rows(ledger, copy)


def copy_in(path: Path, ledger: Ledger) -> None:
    """Fill a ledger that is not there yet, or is without any table, from such a file; bring both to this version."""
    if ledger.engine.dialect.name == "sqlite":
        shutil.copyfile(path, str(ledger.engine.url.database))
        ledger.migrate()
        return
    with open_copy(path) as copy:
        copy.migrate()
        ledger.migrate()
        _copy_rows(copy, ledger)


def is_empty(ledger: Ledger) -> bool:
    """Whether a database has no table yet; an SQLite file must not be there at all."""
    if ledger.engine.dialect.name == "sqlite":
        return not Path(str(ledger.engine.url.database)).exists()
    try:
        return not sa.inspect(ledger.engine).get_table_names()
    except DBAPIError as error:
        raise StoreError(f"ledger: {error.orig}") from error


@contextmanager
def open_copy(path: Path) -> Generator[Ledger]:
    """Open such a file as a ledger for the while."""
    ledger = Ledger(f"sqlite:///{path}")
    try:
        yield ledger
    finally:
        ledger.engine.dispose()


def count_on(db: Session, table: sa.Table) -> None:
    """Let PostgreSQL number the next row of a table after those that came with their numbers."""
    key = next(iter(table.primary_key))
    if db.get_bind().dialect.name != "postgresql" or not isinstance(key.type, sa.Integer) or key.foreign_keys:
        return
    newest = sa.select(sa.func.max(key)).scalar_subquery()
    number = sa.func.setval(sa.func.pg_get_serial_sequence(table.fullname, key.name), newest)
    db.connection().execute(sa.select(number).where(sa.func.pg_get_serial_sequence(table.fullname, key.name) != ""))


def _copy_rows(source: Ledger, target: Ledger) -> None:
    with source.read() as one, target.write() as other:
        if target.engine.dialect.name == "sqlite":
            other.connection().exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        tables = SQLModel.metadata.sorted_tables
        for table in reversed(tables):  # a migration may have put rows there
            other.connection().execute(sa.delete(table))
        for table in tables:
            order = table.primary_key.columns
            rows = one.connection().execute(
                sa.select(table).order_by(*order), execution_options={"yield_per": ROWS_AT_ONCE}
            )
            for part in rows.partitions():
                other.connection().execute(sa.insert(table), [dict(row._mapping) for row in part])
            count_on(other, table)
