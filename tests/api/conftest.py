"""A home for the api's tests: SQLite, the simulated clock at nine in the morning of a session."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from countersign.store.home import Home
from tests.support.factors import put_bars
from tests.support.homes import Databases, disposed, make_home
from tests.support.serving import browsing, join

NINE = datetime(2025, 1, 2, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def sqlite_ledgers(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    """Source of SQLite ledgers, without a PostgreSQL server."""
    return Databases(tmp_path_factory.mktemp("api-ledgers"))


@pytest.fixture
def desk(sqlite_ledgers: Databases, tmp_path: Path) -> Iterator[Home]:
    """A home at 09:00 of 2025-01-02 in Shanghai."""
    with disposed(sqlite_ledgers.ledger("sqlite")) as url:
        home = make_home(tmp_path / "home", url)
        home.clock.set(NINE)
        yield home


@pytest.fixture
def web(desk: Home) -> Iterator[httpx.Client]:
    """Somebody without an account at the api of `desk`."""
    with browsing(desk) as client:
        yield client


@pytest.fixture
def me(desk: Home, web: httpx.Client) -> dict[str, str]:
    """The headers of somebody with a key."""
    return join(desk, web)


@pytest.fixture
def other(desk: Home, web: httpx.Client) -> dict[str, str]:
    """The headers of somebody else with a key."""
    return join(desk, web)


@pytest.fixture(scope="session")
def lab(sqlite_ledgers: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with a market that factors can be measured on, at 09:00 of the session after its last one.

    Tests share it and take accounts of their own (`join`); a test that moves its clock puts it back.
    """
    with disposed(sqlite_ledgers.ledger("sqlite")) as url:
        home = make_home(tmp_path_factory.mktemp("lab") / "home", url)
        home.clock.set(NINE)
        put_bars(home)
        yield home


@pytest.fixture(scope="module")
def lab_web(lab: Home) -> Iterator[httpx.Client]:
    """The api of `lab`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERSIGN_RATE_LIMIT", "0")
        with browsing(lab) as client:
            yield client


@pytest.fixture
def researcher(lab: Home, lab_web: httpx.Client) -> dict[str, str]:
    """The headers of somebody new at the lab."""
    return join(lab, lab_web)
