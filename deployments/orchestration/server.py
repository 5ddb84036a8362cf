"""The Prefect server of a home: described, started for a while, found again by other commands.

Its database is <home>/prefect/prefect.db. No Prefect is imported here before its environment is set.
"""

import dataclasses
import json
import os
import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from random import SystemRandom

from countersign.deployments.orchestration.environment import (
    HOST,
    prefect_environment,
    prefect_home,
    server_addresses,
    server_environment,
)
from countersign.deployments.supervision.child import Child
from countersign.deployments.supervision.parts import Part, answers, wait_until_ready
from countersign.models.errors import ConflictError
from countersign.store.prefect_login import ensure_login
from countersign.store.processes import ProcessIdentity

STOP_SECONDS = 10.0
# Below those that systems give to outgoing connections: nobody is given one between its choice and its use.
PORTS = range(20_000, 32_768)


def free_port() -> int:
    """Return a port nobody listens on at the moment. ConflictError when all of `PORTS` are taken."""
    for port in SystemRandom().sample(PORTS, len(PORTS)):
        with suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            return port
    raise ConflictError(f"every port from {PORTS.start} to {PORTS.stop - 1} on {HOST} is taken by another program")


def running_server(home: Path) -> str | None:
    """Return the API address of this home's server (`http://…/api`); None unless it is alive and the same process."""
    record = _read_record(home)
    return record[0] if record and record[1].process() else None


def server_part(home: Path, port: int | None = None, *, temporary: bool = False) -> Part:
    """Describe the server's process. A temporary one serves its parent alone, and is not to be found by others.

    `port` None: any free one. ConflictError when the port is taken.
    """
    port = port or free_port()
    _refuse_taken(port)
    url, _ = server_addresses(port)

    def started(child: Child) -> None:
        if not temporary:
            _write_record(home, f"{url}/api", child.identity)

    return Part(
        name="Prefect server",
        arguments=("countersign.deployments.orchestration.prefect_server", HOST, str(port)),
        environment=server_environment(home, port, temporary=temporary),
        log=home / "logs" / "prefect-server.log",
        url=url,
        ready=lambda: answers(f"{url}/api/health"),
        started=started,
    )


@contextmanager
def prefect_server(home: Path, port: int | None = None) -> Generator[str]:
    """Run this home's server for the while; yields its API address once it is healthy.

    ConflictError when the home has one already, or the port is taken; CountersignError when it does not start.
    """
    refuse_second(home)
    part = server_part(home, port)
    with _running(part) as child:
        wait_until_ready(part, child)
        yield f"{part.url}/api"


@contextmanager
def prefect_api(home: Path, *modules: str) -> Generator[str]:
    """Run flows in this process against this home's server, or a temporary one for the while; yields its API address.

    Call it before the first `import prefect` where that is possible. A temporary server writes to the same database, so
    the UI shows the runs later. It takes some 4 s to start, 10 s when it makes the database; Prefect is imported
    meanwhile, and so are `modules`, those of the flows that will run.
    """
    with ExitStack() as stack:
        url, temporary = running_server(home), None
        if url is None:
            temporary = server_part(home, temporary=True)
            url = f"{temporary.url}/api"
            child = stack.enter_context(_running(temporary))
        stack.enter_context(_environment(prefect_environment(home, url)))
        stack.enter_context(_settings(url, ensure_login(home)))
        for module in modules:
            import_module(module)
        if temporary:
            wait_until_ready(temporary, child)
        yield url


def refuse_second(home: Path) -> None:
    """ConflictError if this home's server is alive; one whose owner died without stopping it is stopped here."""
    record = _read_record(home)
    process = record[1].process() if record else None
    if record is None or process is None:
        return
    url, server, owner = record
    if owner.process():
        raise ConflictError(f"{home} already has a Prefect server: {url} (process {server.pid})")
    process.kill()
    process.wait(STOP_SECONDS)


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        # As the server does it: a port left behind a moment ago is not taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConflictError(f"port {port} on {HOST} is taken by another program") from error


@contextmanager
def _running(part: Part) -> Generator[Child]:
    child = part.start()
    try:
        yield child
    finally:
        child.stop(part.patience_seconds)


@contextmanager
def _environment(variables: dict[str, str]) -> Generator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def drain() -> None:
    """Send the waiting task runs and log lines of Prefect's threads; each keeps to the server it began with."""
    from prefect.events.worker import EventsWorker  # noqa: PLC0415 - only once the environment is set
    from prefect.logging.handlers import APILogHandler  # noqa: PLC0415

    EventsWorker.drain_all(timeout=STOP_SECONDS)
    APILogHandler().flush()


@contextmanager
def _settings(url: str, login: str) -> Generator[None]:
    from prefect.settings import (  # noqa: PLC0415 - only once the environment is set
        PREFECT_API_AUTH_STRING,
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    drain()
    # A synchronous flow joins its heartbeat's thread: 1.0 s a run for nothing, as the reaper looks at the process.
    # No environment variable can say "no heartbeat", so scheduled runs keep it: a few a day.
    told = {PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: login, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    with temporary_settings(told):
        try:
            yield
        finally:
            drain()


def _record_path(home: Path) -> Path:
    return prefect_home(home) / "server.json"


def _write_record(home: Path, url: str, server: ProcessIdentity) -> None:
    path = _record_path(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"url": url, "server": dataclasses.asdict(server), "owner": dataclasses.asdict(ProcessIdentity.current())}
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(record))
    temporary.replace(path)


def _read_record(home: Path) -> tuple[str, ProcessIdentity, ProcessIdentity] | None:
    try:
        record = json.loads(_record_path(home).read_text())
        return record["url"], ProcessIdentity(**record["server"]), ProcessIdentity(**record["owner"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
