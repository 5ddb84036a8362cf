"""A part of `up`: a module to run as a child process, and how to tell that it is ready."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from countersign.deployments.supervision.child import Child
from countersign.models.errors import CountersignError

POLL_SECONDS = 0.05


def answers(url: str) -> bool:
    """Whether a server on this machine, which no proxy stands before, answers a GET of an `http` address with success.

    Asked twenty times a second while the server starts: the standard library's client takes the least of its processor.
    """
    place = urlsplit(url)
    try:
        with closing(HTTPConnection(place.hostname or "", place.port, timeout=2)) as connection:
            connection.request("GET", place.path)
            return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False


def _always() -> bool:
    return True


def _ignore(_child: Child) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Part:
    """One child process: `python -m ARGUMENTS` with `environment` added to ours.

    `ready` is asked until it says yes; `started` is called at each start and restart; a stop that takes longer than
    `patience_seconds` is a kill; `url` is shown to people. One that is `early` starts with the first part: it waits
    itself for the others that it needs.
    """

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    log: Path
    url: str | None = None
    ready: Callable[[], bool] = _always
    started: Callable[[Child], None] = _ignore
    ready_seconds: float = 120.0
    patience_seconds: float = 10.0
    early: bool = False

    def start(self) -> Child:
        """Start it, without waiting."""
        child = Child(self.arguments, self.environment, self.log)
        self.started(child)
        return child


def wait_until_ready(part: Part, child: Child, stop: threading.Event | None = None) -> bool:
    """Wait for a part that was just started; False when `stop` came first.

    CountersignError when it ends, or takes longer than `ready_seconds`; stopping it is the caller's business.
    """
    stop = stop or threading.Event()
    deadline = time.monotonic() + part.ready_seconds
    while not part.ready():
        if child.exit_code is not None:
            raise CountersignError(f"{part.name} ended at once (exit code {child.exit_code}); see {part.log}")
        if time.monotonic() > deadline:
            raise CountersignError(f"{part.name} was not ready within {part.ready_seconds:g} s; see {part.log}")
        if stop.wait(POLL_SECONDS):
            return False
    return not stop.is_set()
