"""The api's process: uvicorn, and how to tell that it answers."""

import os
import shutil
import socket
from pathlib import Path

from countersign.deployments.orchestration.environment import ROOT
from countersign.deployments.supervision.parts import Part, answers
from countersign.models.errors import ConflictError
from countersign.settings import load_settings

HOST, PORT = "127.0.0.1", 8000
# A rush of new connections waits here instead of being turned away.
BACKLOG = 2048
PATIENCE_SECONDS = 8.0
# The allocator of polars: with an arena a thread, each thread that ever read an upload would keep the room it took.
ALLOCATOR = {"_RJEM_MALLOC_CONF": "narenas:1"}


def api_part(home: Path, host: str = HOST, port: int = PORT, workers: int = 1) -> Part:
    """Describe the api of a home; `workers` are processes that share the port. ConflictError when the port is taken."""
    _refuse_taken(host, port)
    shown = HOST if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared with, not bound to
    url = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    environment = ALLOCATOR | {
        "COUNTERSIGN_HOME": str(home),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
    }
    if load_settings(home).metrics:
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(_empty(home / "metrics"))
    if "public_url" not in load_settings(home).model_fields_set:
        environment["COUNTERSIGN_PUBLIC_URL"] = url
    options = {"host": host, "port": port, "workers": workers, "backlog": BACKLOG, "timeout-graceful-shutdown": 5}
    return Part(
        name="api",
        arguments=(
            *("uvicorn", "countersign.api.app:create_app", "--factory", "--no-access-log", "--no-server-header"),
            # The app settles each client's address: uvicorn would believe any caller on this machine.
            *("--no-proxy-headers", "--ws=none", "--http=countersign.api.requests.protocol:GuardedProtocol"),
            *(f"--{name}={value}" for name, value in options.items()),
        ),
        environment=environment,
        log=home / "logs" / "api.log",
        url=url,
        ready=lambda: answers(f"{url}/api/v1/health"),
        patience_seconds=PATIENCE_SECONDS,
    )


def _empty(folder: Path) -> Path:
    """Make a folder without the counts of processes that ended long ago."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _refuse_taken(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As the server does it: a port left behind a moment ago is not taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConflictError(f"port {port} on {host} is taken by another program") from error
