"""Flows small enough to see through: what Prefect is tried out with."""

import json
import os
import threading
from datetime import UTC, date, datetime
from pathlib import Path

from prefect import flow, task

from flows.scheduled import run_name, scheduled_at
from tasks.runs import record_process


@task
def double(number: int) -> int:
    return 2 * number


@flow(name="tiny_note", flow_run_name=run_name("note"), on_running=[record_process])
def note(session: date | None = None, home: str | None = None) -> int:
    """Write down what this run saw."""
    now = datetime.now(UTC)
    seen = {"at": scheduled_at(now).isoformat(), "now": now.isoformat(), "pid": os.getpid()}
    seen |= {"session": session.isoformat() if session else None, "home": home}
    folder = Path(os.environ["TINY_NOTES"])
    (folder / f"{now.timestamp():.6f}.json").write_text(json.dumps(seen))
    return double(21)


@flow(name="tiny_hang", flow_run_name=run_name("hang"), on_running=[record_process])
def hang(session: date | None = None, home: str | None = None) -> None:
    """Never end; leaves a file when it has begun."""
    (Path(os.environ["TINY_NOTES"]) / f"hang-{os.getpid()}").touch()
    threading.Event().wait()
