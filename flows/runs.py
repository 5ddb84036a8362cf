"""Flow runs that Prefect believes alive although their process is dead.

A run killed together with its runner stays `Running` for ever, and so does one stopped by Ctrl-C: Prefect does not
notice. So each flow leaves its process's identity in its run's labels when it starts (`record_process`), and a run that
has lost its process is marked Crashed (`reap_dead_runs`). Doing the work again is not this module's task: the watchdog
repairs sessions from the ledger, in order.
"""

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from countersign.store.processes import ProcessIdentity

HOST, PID, CREATED, ATTEMPT = (f"countersign.{key}" for key in ("host", "pid", "created", "attempt"))

# From submission to the flow's first line takes 3.5 s; on a machine on its knees a minute.
PENDING_AFTER = timedelta(minutes=5)
# Processes of other machines cannot be looked at. No stage works for half a day.
ELSEWHERE_AFTER = timedelta(hours=12)
PAGE = 200


def record_process(flow: Flow[..., Any], flow_run: FlowRun, state: State) -> None:  # noqa: ARG001 - Prefect's hook
    """Write the calling process into the run's labels. For `@flow(on_running=[record_process])`.

    The attempt (the run's run_count) is written too: a run that is tried again wears its dead process's labels until
    this hook has run.
    """
    me = ProcessIdentity.current()
    with get_client(sync_client=True) as client:
        attempt = client.read_flow_run(flow_run.id).run_count
        labels: dict[str, str | float] = {HOST: me.host, PID: me.pid, CREATED: me.created, ATTEMPT: attempt}
        client.update_flow_run_labels(flow_run.id, labels)


def reap_dead_runs(flow_names: Collection[str], now: datetime, *, runner_stopped: bool = False) -> list[str]:
    """Mark Crashed every unfinished run of these flows whose process is gone; return the names of those runs.

    `runner_stopped` is for the one that starts or stops this home's runner: nobody is starting any of its runs then, so
    that those which have not recorded their process need no time of grace. Safe to repeat, and safe beside live runs.
    """
    wanted = FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING])
    reaped = []
    with get_client(sync_client=True) as client:
        unfinished: list[FlowRun] = []
        while True:
            page = client.read_flow_runs(
                flow_filter=FlowFilter(name=FlowFilterName(any_=list(flow_names))),
                flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=wanted)),
                sort=FlowRunSort.ID_DESC,
                limit=PAGE,
                offset=len(unfinished),
            )
            unfinished += page
            if len(page) < PAGE:
                break
        for run in unfinished:
            reason = why_dead(run, now, runner_stopped=runner_stopped, parent=_parent(client, run))
            if reason:
                # Forced: the ordinary rules refuse to end a run on behalf of its process.
                client.set_flow_run_state(run.id, Crashed(message=reason), force=True)
                reaped.append(run.name)
    return reaped


def why_dead(run: FlowRun, now: datetime, *, runner_stopped: bool = False, parent: FlowRun | None = None) -> str | None:
    """Say why an unfinished run counts as dead; None for one that lives or may live.

    A run that is a step of another (`parent`) is in that one's process, until it records its own.
    """
    if run.state is None:
        return None
    age = now - run.state.timestamp
    pending = run.state.type == StateType.PENDING
    # Of a pending run labels say nothing: they are of an earlier attempt.
    owner = (None if pending else _owner(run)) or (_owner(parent) if parent else None)
    if owner is not None and owner.here:
        return None if owner.process() else f"Its process {owner.pid} on {owner.host} is gone."
    # Its process ends with the runner that started it, and before its first line it has not recorded itself.
    orphaned = runner_stopped and owner is None and run.deployment_id and not run.work_queue_id
    # A work pool may take long to find a machine.
    patience = PENDING_AFTER if pending and not run.work_queue_id else ELSEWHERE_AFTER
    if orphaned:
        patience = timedelta(0)
    if age < patience:
        return None
    if pending:
        return f"No process took it up within {patience}."
    return f"Its process is unknown here, and it has not ended within {age}."


def _parent(client: SyncPrefectClient, run: FlowRun) -> FlowRun | None:
    """Return the run that another is a step of, None for one of its own."""
    if run.parent_task_run_id is None:
        return None
    with suppress(ObjectNotFound):
        step = client.read_task_run(run.parent_task_run_id)
        return client.read_flow_run(step.flow_run_id) if step.flow_run_id else None
    return None


def _owner(run: FlowRun) -> ProcessIdentity | None:
    """The process that the run's current attempt recorded; None before it has."""
    labels = run.labels
    if labels.get(ATTEMPT) != run.run_count:
        return None
    return ProcessIdentity(str(labels[HOST]), int(labels[PID]), float(labels[CREATED]))
