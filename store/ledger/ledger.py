"""The ledger: SQL through SQLModel, SQLite by default, PostgreSQL at scale. The platform's memory.

A ledger row is the commit point of everything. Every writing transaction takes the write lock when it begins: on SQLite
a read followed by a write would otherwise lose updates without a word, with WAL too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, column, create_engine, event, inspect, make_url, select, table
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlmodel import Session

from countersign.models.errors import InputError, StoreError

MIGRATIONS = Path(__file__).parent / "migrations"
VERSIONS = "alembic_version"
BUSY_TIMEOUT_SECONDS = 60
# Any constant of our own: PostgreSQL's advisory locks are named by numbers.
WRITER_LOCK = 0x436F756E74

# What the layers above call an open transaction.
Transaction = Session


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
            db.expunge_all()  # rows that were read stay readable: a rollback expires only attached ones
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
        with _ledger_errors(self.engine), Session(self.engine, expire_on_commit=False) as db:
            if self.engine.dialect.name == "sqlite":
                db.connection().exec_driver_sql(sqlite)
            else:
                db.connection(execution_options={"isolation_level": isolation})
            yield db

    def migrate(self) -> None:
        """Bring the schema to this version's; safe to repeat. StoreError for a schema that this version cannot know."""
        known = _revisions()
        with _ledger_errors(self.engine):
            found = self._schema()
            if found not in {None, *known}:
                raise StoreError(f"ledger: expected schema {known[0]} or older, got {found}")
            if found != known[0]:
                _upgrade(self.url)

    def require_current_schema(self) -> None:
        """Raise StoreError unless the ledger is there and its schema is this version's."""
        head, *_ = _revisions()
        url = self.engine.url
        # SQLite would make an empty file here.
        if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
            raise StoreError(f"ledger: {url.database} is not there; `countersign init` makes one")
        with _ledger_errors(self.engine):
            found = self._schema()
        if found != head:
            raise StoreError(f"ledger: expected schema {head}, got {found}; run `countersign init` to migrate it")

    def _schema(self) -> str | None:
        with self.engine.connect() as connection:
            if not inspect(connection).has_table(VERSIONS):
                return None
            return connection.scalar(select(column("version_num")).select_from(table(VERSIONS)))


@contextmanager
def _ledger_errors(engine: Engine) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        # SQLite's error lacks the file's path; a server's error names its own address.
        place = f"ledger {engine.url.database}" if engine.dialect.name == "sqlite" else "ledger"
        raise StoreError(f"{place}: {error.orig}") from error


@cache
def _revisions() -> tuple[str, ...]:
    """List this version's schemas, newest first, by the names of their files: every process asks for the newest."""
    return tuple(sorted((path.stem.split("_")[0] for path in MIGRATIONS.glob("versions/*.py")), reverse=True))


def _upgrade(url: str) -> None:
    """Run the migrations that a ledger lacks."""
    from alembic import command  # noqa: PLC0415 - a tenth of a second, for a new home or a new version alone
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    command.upgrade(config, "head")


@cache
def _engine(url: str) -> Engine:
    # Parameters are hidden: an error's text ends up in logs, and a row may hold a feed's key.
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True, hide_parameters=True)
    driver = {"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False}
    engine = create_engine(parsed, connect_args=driver, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = URL.create("none")
    if parsed.drivername in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "postgresql+psycopg"}:
        # The address is not repeated: it may hold a password.
        raise InputError("database_url", "an address such as sqlite:///ledger.db or postgresql://user@host/database")
    return parsed


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own BEGIN is deferred and comes too late; `Ledger.write` begins by itself.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # a committed row survives a power cut: an accepted signal is never lost
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}",
    ):
        connection.execute(f"PRAGMA {pragma}")
