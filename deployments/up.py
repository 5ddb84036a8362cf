"""`countersign up`: all parts of a home on one machine. Prefect's server, the parts that are added, the flow runner."""

import fcntl
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from countersign.deployments.orchestration.environment import prefect_environment, prefect_home
from countersign.deployments.orchestration.server import refuse_second, running_server, server_part
from countersign.deployments.supervision.parts import Part
from countersign.deployments.supervision.supervisor import Supervisor, stop_on_signals
from countersign.models.errors import ConflictError
from countersign.store.lens.versions import LINK

# A flow run gets the interrupt and up to this long to end; its session is settled again by the watchdog.
RUNNER_PATIENCE_SECONDS = 15.0
TIMETABLE_NAME = "countersign.models.timetable:TIMETABLE"


def up(
    home: Path,
    *,
    prefect_port: int | None = None,
    parts: Sequence[Part] = (),
    catch_up: bool = True,
    timetable: str = TIMETABLE_NAME,
    say: Callable[[str], None] = print,
    until: Callable[[], bool] = lambda: False,
) -> None:
    """Start all parts of a home and keep them running until Ctrl-C, SIGTERM, or until `until()` says so.

    With `catch_up` the stages whose deadline is near run at once, and the watchdog after them, for the sessions missed
    while the home was down.
    `until` is asked ten times a second, once all parts are started. `prefect_port` None: any free one.
    ConflictError if this home is up already or the port is taken; CountersignError if a part does not start. In every
    case no process is left behind.
    """
    with _only_one(home):
        refuse_second(home)
        server = server_part(home, prefect_port)
        runner = runner_part(home, f"{server.url}/api", catch_up=catch_up, timetable=timetable)
        # The runner comes last, and so is stopped first: its flow runs need all the others.
        supervisor = Supervisor([server, *parts, runner], say)
        with stop_on_signals(supervisor):
            supervisor.run(until, ready=lambda: _announce(home, say))


def runner_part(home: Path, api_url: str, *, catch_up: bool = True, timetable: str = TIMETABLE_NAME) -> Part:
    """Describe the flow runner of a home; `timetable` is `module:name` of its slots."""
    return Part(
        name="flow runner",
        arguments=(
            "countersign.deployments.orchestration.runner",
            str(home),
            "--timetable",
            timetable,
            *(["--catch-up"] if catch_up else []),
        ),
        environment=prefect_environment(home, api_url),
        log=home / "logs" / "flow-runner.log",
        patience_seconds=RUNNER_PATIENCE_SECONDS,
        # Its imports take as long as the server takes to start.
        early=True,
    )


def _announce(home: Path, say: Callable[[str], None]) -> None:
    say("Prefect's UI asks for words to log in with: `countersign admin prefect-login` prints them")
    if (home / LINK).exists():
        say(f"lens: {home / LINK}")
    say(f"home: {home}, logs in {home / 'logs'}; Ctrl-C stops everything")


@contextmanager
def _only_one(home: Path) -> Generator[None]:
    """Hold the home's lock: two starts at the same moment cannot both get it, and no crash leaves it behind."""
    prefect_home(home).mkdir(parents=True, exist_ok=True)
    with (prefect_home(home) / "up.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError(f"{home} is up already: {running_server(home) or 'starting'}") from error
        yield
