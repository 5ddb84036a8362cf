"""Lens reader: reads the lens while versions are replaced under it.

A version's file never changes once it is published, so a reader opens the resolved name: DuckDB hands a second
connection to the same path the old instance, and would go on showing the old content.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from countersign.models.errors import StoreError
from countersign.store.ledger.ledger import Ledger
from countersign.store.lens.digest import is_as_published
from countersign.store.lens.versions import LINK, current_version, open_read_only

MAX_ATTEMPTS = 20
SUFFIX = ".duckdb"


@dataclass
class _Open:
    path: Path
    db: duckdb.DuckDBPyConnection
    users: int = 0


class Lens:
    """A reader of a home's lens, for any number of threads. It follows publications and drops replaced versions."""

    def __init__(self, home: Path, ledger: Ledger | None = None) -> None:
        """Read the lens of the home at `home`; with its ledger, only versions that are as they were published."""
        self.home, self._ledger = home, ledger
        self._link = str(home / LINK)
        self._lock = threading.Lock()
        self._open: _Open | None = None

    @property
    def version(self) -> str | None:
        """The name of the published version: it changes with each publication. None before the first."""
        try:
            # Asked for with every answer of the api: paths as objects would cost ten times the system call.
            return os.readlink(self._link).rpartition("/")[2].removesuffix(SUFFIX)
        except FileNotFoundError:
            return None

    @contextmanager
    def use(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend a connection to the newest version, for one thread; the block sees that one version throughout.

        StoreError if nothing is published yet, or the published file cannot be opened.
        """
        with self.read() as (_, db):
            yield db

    @contextmanager
    def read(self) -> Iterator[tuple[str, duckdb.DuckDBPyConnection]]:
        """Lend a connection as `use` does, with the name of the version that it reads."""
        with self._lock:
            found = self._follow()
            found.users += 1
        try:
            with found.db.cursor() as db:
                yield found.path.stem, db
        finally:
            with self._lock:
                found.users -= 1
                self._drop_if_idle(found)

    def close(self) -> None:
        """Close the file, at once or when its last user has finished. The next use opens it again."""
        with self._lock:
            found, self._open = self._open, None
            if found:
                self._drop_if_idle(found)

    def _follow(self) -> _Open:
        for _ in range(MAX_ATTEMPTS):
            path = current_version(self.home)
            if path is None:
                raise StoreError(f"{self.home}: no lens yet; run `countersign publish`")
            if self._open and self._open.path == path:
                return self._open
            try:
                if self._ledger and is_as_published(self._ledger, path) is False:
                    raise StoreError(f"{path} was altered since it was published; run `countersign publish --rebuild`")
                found = _Open(path, open_read_only(path))
                # Readers come in threads of their own; to share one small query out costs more than the query.
                found.db.execute("SET threads = 1")
            except duckdb.Error as error:
                if current_version(self.home) == path:
                    raise StoreError(f"{path}: {error}; run `countersign publish --rebuild`") from error
                continue  # it was replaced, and removed, between the two steps
            replaced, self._open = self._open, found
            if replaced:
                self._drop_if_idle(replaced)
            return found
        raise StoreError(f"{self.home}: the lens was replaced {MAX_ATTEMPTS} times while it was being opened")

    def _drop_if_idle(self, found: _Open) -> None:
        if found is not self._open and not found.users:
            found.db.close()


@contextmanager
def open_lens(home: Path) -> Iterator[Lens]:
    """Open the lens of the home at `home` for the block."""
    lens = Lens(home)
    try:
        yield lens
    finally:
        lens.close()
