"""Flows small enough to see through, to try Prefect out with."""

import json
import os
import threading
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from prefect import Flow, flow, task
from prefect.client.schemas.objects import FlowRun, State

from countersign.flows.runs import record_process
from countersign.flows.scheduled import run_name, scheduled_at


@task
def double(number: int) -> int:
    return 2 * number


@flow(name="tiny_note", flow_run_name=run_name("note"), on_running=[record_process])
def note(session: date | None = None, home: str | None = None) -> int:
    """Write down the values that this run saw."""
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


def _stand(where: str) -> None:
    (Path(os.environ["TINY_NOTES"]) / f"{where}-{os.getpid()}").touch()
    threading.Event().wait()


def _stand_unsaid(flow: Flow[..., Any], flow_run: FlowRun, state: State) -> None:
    if flow_run.parameters["where"] == "unsaid":
        _stand("unsaid")


@flow(name="tiny_start", on_running=[_stand_unsaid, record_process])
def start(where: str = "", home: str | None = None) -> None:
    """Stop while it starts: before it has written its identity, or with a step that has not."""
    if where == "step":
        start(where="unsaid", home=home)
