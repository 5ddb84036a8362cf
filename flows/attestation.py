"""Attestation flow: before each deadline, seals and pushes the signals that the sealer has not."""

from datetime import date
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger

from countersign.flows.runs import record_process
from countersign.flows.scheduled import remember_run, run_name
from countersign.models.errors import CountersignError
from countersign.services.attestation.pushing import PushState
from countersign.settings import open_home
from countersign.tasks.attestation import push, seal, stamp


class NotPushedError(CountersignError):
    """Everything is sealed, but the remote does not have it; the message says why."""


@flow(
    name="attestation_retry",
    flow_run_name=run_name("attest"),
    on_running=[record_process],
    on_completion=[remember_run],
    on_failure=[remember_run],
)
def attestation_retry(session: date | None = None, home: Path | None = None) -> dict[str, Any]:
    """Seal the signals that wait, of any session, fetch missing tokens, and push. Safe to repeat.

    `session` is the day of the run: the flow does nothing if that is no session. NotPushedError, which fails the run,
    if a remote is set and does not take the commits; nothing is lost then.
    """
    log = get_run_logger()
    opened = open_home(home)
    if session is not None and session not in opened.sessions:
        log.info("%s is not a session", session)
        return {"sealed": 0, "disclosed": 0, "tokens": 0, "push": PushState.NOTHING.value}
    sealed = seal(opened)
    tokens = stamp(opened)
    if tokens:
        seal(opened)
    pushed = push(opened)
    row = {"sealed": sealed.sealed, "disclosed": sealed.disclosed, "tokens": tokens, "push": pushed.state.value}
    log.info("%s", row)
    if pushed.state in {PushState.FAILED, PushState.DIVERGED, PushState.AHEAD}:
        raise NotPushedError(f"journal: {pushed.commits} commits are not pushed: {pushed.detail}")
    return row
