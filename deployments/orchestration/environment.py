"""The environment of every process of ours that uses Prefect. Prefect reads it once, when it is imported.

No Prefect in here, nor in anything this imports.
"""

import os
from pathlib import Path

import countersign
from countersign.store.prefect_login import ensure_login

# Nowhere else: a caller that a Prefect server lets in may run anything as its user.
HOST = "127.0.0.1"
ROOT = Path(countersign.__file__).resolve().parents[1]


def prefect_home(home: Path) -> Path:
    """Folder of Prefect's database, and of its server's address and lock."""
    return home / "prefect"


def server_addresses(port: int) -> tuple[str, str]:
    """Return the addresses under which a server on this port is asked for, the one that we tell people first."""
    return f"http://{HOST}:{port}", f"http://localhost:{port}"


def prefect_environment(home: Path, api_url: str | None = None) -> dict[str, str]:
    """Return the variables to set before `import prefect`; `api_url` is the running server's, if there is one.

    The words that log in to the server are among them: they are not for logs, nor for a command line.
    """
    environment = {
        "COUNTERSIGN_HOME": str(home),
        "PREFECT_HOME": str(prefect_home(home)),
        "PREFECT_API_AUTH_STRING": ensure_login(home),
        # Prefect's own profiles would bring in the server that this account's user works with otherwise.
        "PREFECT_PROFILES_PATH": str(prefect_home(home) / "profiles.toml"),
        # Without a server a flow run fails at once, instead of starting a hidden one with a database of its own.
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        # Both are needed: otherwise the server calls a telemetry host when it starts.
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # Tasks get keys and write their results themselves: hashing inputs and pickling results would waste time.
        "PREFECT_TASKS_DEFAULT_NO_CACHE": "true",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        # Zones are those of the package tzdata: Prefect walks the system's folder of zones for each schedule it reads,
        # a third of what registering the timetable costs.
        "PYTHONTZPATH": "",
        # Runs are started as `python -m prefect.engine`, which has to find the module entrypoints from any folder.
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
    }
    if api_url:
        environment["PREFECT_API_URL"] = api_url
    return environment


def server_environment(home: Path, port: int, *, temporary: bool = False) -> dict[str, str]:
    """Return the further variables of the process of the server on this port.

    A temporary server keeps what a flow run needs (its events, task runs and logs), and leaves out the services that
    plan, watch and clean up, and the UI.
    """
    addresses = server_addresses(port)
    api_url = f"{addresses[0]}/api"
    environment = prefect_environment(home, api_url) | {
        "PREFECT_SERVER_API_AUTH_STRING": ensure_login(home),
        # By default every page's.
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": ",".join(addresses),
        # The UI would look for its server on port 4200 otherwise, whichever port it came from.
        "PREFECT_SERVER_UI_API_URL": api_url,
        # One by one, events stall SQLite for a minute now and then.
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
        # A run costs 41 KiB, most of it events: the ledger remembers, the UI need not.
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P3D",
        # Prefect copies its UI to where it serves it from: by default the installed package, which may be read-only.
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(prefect_home(home) / "ui"),
        # Runs themselves are kept by default; this ends them after 90 days.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    }
    if temporary:
        unneeded = ("SCHEDULER", "LATE_RUNS", "FOREMAN", "PAUSE_EXPIRATIONS", "CANCELLATION_CLEANUP", "REPOSSESSOR")
        environment |= {f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false" for service in (*unneeded, "TRIGGERS")}
        environment["PREFECT_SERVER_UI_ENABLED"] = "false"
    return environment
