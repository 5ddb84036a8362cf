"""Homes for tests, on either database: made from a ledger that is migrated once, as migrating takes its time."""

import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from store.home import Home
from store.ledger import Ledger

DATABASES = ("sqlite", "postgresql")
_numbers = itertools.count()


@dataclass
class Databases:
    """Where fresh ledgers come from; `postgres` is the URI of a running server's database `postgres`."""

    folder: Path
    postgres: str
    migrated: set[str] = field(default_factory=set)

    def empty(self, kind: str) -> str:
        """Return the URL of a new database without any table."""
        number = next(_numbers)
        if kind == "sqlite":
            return f"sqlite:///{self.folder / f'ledger-{number}.db'}"
        return self._create(f"ledger_{number}", "template0")

    def ledger(self, kind: str) -> str:
        """Return the URL of a new, migrated ledger."""
        template = self.folder / "template.db"
        if kind not in self.migrated:
            url = f"sqlite:///{template}" if kind == "sqlite" else self._create("migrated", "template0")
            Ledger(url).migrate()
            Ledger(url).engine.dispose()
            self.migrated.add(kind)
        if kind == "sqlite":
            url = self.empty(kind)
            shutil.copyfile(template, str(make_url(url).database))
            return url
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
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            # Nothing here has to survive a power cut of the test machine.
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')  # type: ignore[call-overload]
        return make_url(self.postgres).set(database=name).render_as_string(hide_password=False)


@contextmanager
def disposed(url: str) -> Iterator[str]:
    """Close the connections of this process at the end, before the database is thrown away."""
    try:
        yield url
    finally:
        Ledger(url).engine.dispose()


def make_home(path: Path, url: str, **options: Any) -> Home:
    """Create a home with the simulated clock, which commands find with these settings too."""
    home = Home(path, url, path / "lake", "simulated", **options)
    home.create()
    with (path / "countersign.toml").open("a") as file:
        file.write(f'\ndatabase_url = "{url}"\n')
    return home
