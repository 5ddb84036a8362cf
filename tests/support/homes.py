"""Homes for tests, on either database: made from a ledger that is migrated once, as migrating takes its time."""

import itertools
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg
from sqlalchemy import make_url

from countersign.store.clock import Clock
from countersign.store.home import Home
from countersign.store.ledger.ledger import Ledger
from tests.support.waiting import PATIENCE_SECONDS

DATABASES = ("sqlite", "postgresql")
_numbers = itertools.count()


def no_server() -> str:
    """Refuse a PostgreSQL server where only SQLite is wanted."""
    raise AssertionError("this test asked for SQLite only")


@cache
def _migrated() -> bytes:
    """The bytes of an SQLite ledger without rows."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        ledger = Ledger(f"sqlite:///{path}")
        ledger.migrate()
        ledger.engine.dispose()
        return path.read_bytes()


def put_ledger(path: Path) -> str:
    """Put an SQLite ledger without rows where there is none; return its URL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_migrated())
    return f"sqlite:///{path}"


@dataclass
class Databases:
    """Source of fresh ledgers; `serve` gives the URI of a running server's database `postgres`."""

    folder: Path
    serve: Callable[[], str] = no_server
    migrated: bool = False
    urls: list[str] = field(default_factory=list)

    def empty(self, kind: str) -> str:
        """Return the URL of a new database without any table."""
        if kind == "sqlite":
            self.urls.append(f"sqlite:///{self.folder / f'ledger-{next(_numbers)}.db'}")
            return self.urls[-1]
        return self._create(f"ledger_{next(_numbers)}", "template0")

    def ledger(self, kind: str) -> str:
        """Return the URL of a new, migrated ledger."""
        if kind == "sqlite":
            return put_ledger(Path(str(make_url(self.empty(kind)).database)))
        if not self.migrated:
            url = self._create("migrated", "template0")
            Ledger(url).migrate()
            Ledger(url).engine.dispose()
            self.migrated = True
        return self._create(f"ledger_{next(_numbers)}", "migrated")

    def copy(self, url: str) -> str:
        """Return the URL of a copy of a ledger nobody is connected to."""
        Ledger(url).engine.dispose()
        source = make_url(url)
        if source.get_backend_name() == "sqlite":
            target = self.empty("sqlite")
            shutil.copyfile(str(source.database), str(make_url(target).database))
            return target
        return self._create(f"ledger_{next(_numbers)}", str(source.database))

    def _create(self, name: str, template: str) -> str:
        server = self.serve()
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')  # type: ignore[call-overload]
        self.urls.append(make_url(server).set(database=name).render_as_string(hide_password=False))
        return self.urls[-1]

    def close(self) -> None:
        """Close this process's connections to all of them."""
        for url in self.urls:
            Ledger(url).engine.dispose()


def make_careless(postgres: str) -> None:
    """Let a server skip flushes, of use only in a power cut of the test machine: half the time of a small test."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")  # type: ignore[call-overload]
        connection.execute("SELECT pg_reload_conf()")


def end_at_once(data: Path) -> None:
    """Let a server end without writing down data that is thrown away."""
    process = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
    process.send_signal(signal.SIGQUIT)
    psutil.wait_procs([process], timeout=PATIENCE_SECONDS)


@contextmanager
def disposed(url: str) -> Iterator[str]:
    """Close the connections of this process at the end, before the database is thrown away."""
    try:
        yield url
    finally:
        Ledger(url).engine.dispose()


def make_home(path: Path, url: str) -> Home:
    """Create a home with the simulated clock."""
    home = Home(path, url, path / "lake", "simulated")
    home.create()
    _point(path, url)
    return home


def copy_home(databases: Databases, home: Home, path: Path) -> Home:
    """Copy a home in which nobody works at the moment, with a ledger of its own."""
    url = databases.copy(home.database_url)
    shutil.copytree(home.path, path, ignore=shutil.ignore_patterns("prefect"), symlinks=True)
    _point(path, url)
    return Home(path, url, path / "lake", "simulated")


def _point(home: Path, url: str) -> None:
    """Let commands and flows, which read the settings, find the ledger."""
    (home / "countersign.toml").write_text(f'database_url = "{url}"\n')


@dataclass(frozen=True)
class Stopped(Clock):
    """The system's clock, at a time of the test's choice."""

    at: datetime

    def now(self) -> datetime:
        return self.at


def at_system_time(home: Home, now: datetime) -> Home:
    """Return the same home as it is under the system's clock at `now`."""
    same = Home(home.path, home.database_url, home.lake_path)
    object.__setattr__(same, "clock", Stopped("system", home.path, now))
    return same
