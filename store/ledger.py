"""The ledger: SQL through SQLModel, SQLite by default, PostgreSQL at scale. The platform's memory.

A ledger row is the commit point of everything. Every writing transaction takes the write lock when it begins: on SQLite
a read followed by a write would otherwise lose updates without a word, with WAL too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from models.errors import StoreError

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_SECONDS = 60
# Any constant of our own: PostgreSQL's advisory locks are named by numbers.
WRITER_LOCK = 0x436F756E74


class Ledger:
    """A ledger by its URL. Cheap to make; engines are shared within a process."""

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def engine(self) -> Engine:
        """The process's engine for this URL."""
        return _engine(self.url)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session that sees one state of the ledger throughout; anything written in it is rolled back."""
        with self._session(sqlite="BEGIN", isolation="REPEATABLE READ") as db:
            yield db
            db.expunge_all()  # what was read stays readable: a rollback expires only what is still attached
            db.rollback()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a writing transaction: committed when the block ends, rolled back whole when it raises.

        Writers take turns from their first statement on, on every database, so that reading a row and then changing it
        is safe without further thought. Keep the block short: compute first, then write.
        """
        with self._session(sqlite="BEGIN IMMEDIATE", isolation="READ COMMITTED") as db:
            if self.engine.dialect.name == "postgresql":
                db.connection().exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")
            yield db
            db.commit()

    @contextmanager
    def _session(self, *, sqlite: str, isolation: str) -> Iterator[Session]:
        try:
            with Session(self.engine, expire_on_commit=False) as db:
                if self.engine.dialect.name == "sqlite":
                    db.connection().exec_driver_sql(sqlite)
                else:
                    db.connection(execution_options={"isolation_level": isolation})
                yield db
        except OperationalError as error:
            raise StoreError(f"ledger: {error.orig}") from error

    def migrate(self) -> None:
        """Bring the schema to this version's; safe to repeat."""
        command.upgrade(_alembic(self.url), "head")

    def require_current_schema(self) -> None:
        """Raise StoreError unless the schema is this version's."""
        head = ScriptDirectory.from_config(_alembic(self.url)).get_current_head()
        with self.engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
        if found != head:
            raise StoreError(f"ledger: expected schema {head}, got {found}; run `countersign init` to migrate it")


def _alembic(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config


@lru_cache(maxsize=8)
def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.drivername in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own BEGIN is deferred and comes too late; `Ledger.write` begins by itself.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # a committed row survives a power cut: what is accepted is never lost
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}",
    ):
        connection.execute(f"PRAGMA {pragma}")
