"""Running the platform: a home, its processes, its stages."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from countersign.cli.common import (
    HomeOption,
    JsonOption,
    SessionOption,
    SinceOption,
    UntilOption,
    day_of,
    group,
    open_home,
    prefect,
    show,
)

if TYPE_CHECKING:
    from countersign.store.home import Home

app = group("Daily trading signals, turned into track records that anybody can check.")


HostOption = Annotated[str, typer.Option(help="Address the api listens on.")]
PortOption = Annotated[int, typer.Option(min=1, max=65_535, help="Port of the api.")]


class StageName(StrEnum):
    """The stages that can be run by hand."""

    PORTFOLIO_SIGNALS = "portfolio-signals"
    ATTESTATION_RETRY = "attestation-retry"
    MARKET_INGEST = "market-ingest"
    SETTLE = "settle"
    EVALUATE = "evaluate"
    FACTOR_TRACKING = "factor-tracking"
    WATCHDOG = "watchdog"
    POLL = "poll"
    OUTCOMES = "outcomes"


@app.command()
def init(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Create a home: ledger, lake and settings. A home that exists is brought up to date and otherwise left alone.

    The first time on a machine, what computes is compiled too: some fifteen seconds.
    """
    from countersign.deployments.kernels import compile_kernels
    from countersign.settings import locate_home

    located = locate_home(home)
    new = located.create()
    compile_kernels()
    show({"home": str(located.path), "new": new, "clock": located.clock.kind}, as_json=as_json)


@app.command()
def up(
    home: HomeOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    prefect_port: Annotated[int, typer.Option(help="Port of the Prefect server and its UI.")] = 4200,
    check: Annotated[bool, typer.Option("--check", help="Stop again as soon as everything is up and planned.")] = False,
) -> None:
    """Start everything: Prefect's server and UI, api, sealer, poller, all schedules. Ctrl-C stops it all."""
    opened = open_home(home)
    from countersign.deployments.feed import feed_part
    from countersign.deployments.orchestration.ready import schedules_are_planned
    from countersign.deployments.poller import poller_part
    from countersign.deployments.precompile import compiling
    from countersign.deployments.sealer import sealer_part
    from countersign.deployments.up import up as start
    from countersign.deployments.web import api_part

    def checked() -> bool:
        return check and schedules_are_planned(opened.path)

    feed = feed_part(opened)
    parts = (
        api_part(opened.path, host, port),
        sealer_part(opened.path),
        *([feed] if feed else []),
        poller_part(opened.path),
    )
    with compiling(opened.path):
        start(opened.path, prefect_port=prefect_port, parts=parts, say=typer.echo, until=checked)


@app.command()
def api(
    home: HomeOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the port.")] = 1,
) -> None:
    """Start only the api, which `up` starts too; Ctrl-C stops it."""
    opened = open_home(home)
    from countersign.deployments.precompile import compiling
    from countersign.deployments.supervision.supervisor import Supervisor, stop_on_signals
    from countersign.deployments.web import api_part

    supervisor = Supervisor([api_part(opened.path, host, port, workers)], typer.echo)
    with compiling(opened.path), stop_on_signals(supervisor):
        supervisor.run()


@app.command()
def sealer(home: HomeOption = None) -> None:
    """Start only the sealer, which `up` starts too; Ctrl-C stops it. A second one stands by to take over."""
    opened = open_home(home)
    from countersign.deployments.sealer import main as start

    start([str(opened.path)])


@app.command()
def poller(home: HomeOption = None) -> None:
    """Start only the poller of external feeds, which `up` starts too; Ctrl-C stops it."""
    opened = open_home(home)
    from countersign.deployments.poller import main as start

    start([str(opened.path)])


@app.command()
def deploy(
    work_pool: Annotated[str, typer.Argument(help="Name of the work pool; made of processes if it is missing.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register the same flows and schedules on a Prefect work pool, for more than one machine."""
    with prefect(home):
        from countersign.deployments.orchestration.deploy import deploy as register

        show([{"deployment": str(each)} for each in register(work_pool)], as_json=as_json)


@app.command()
def run(stage: StageName, session: SessionOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Run one stage now (default: for the newest closed session)."""
    if stage is StageName.SETTLE and session is None and _ends_idle(open_home(home)):
        show([], as_json=as_json)
        return
    with prefect(home) as opened:
        show(_flow(stage)(session=day_of(session), home=opened.path), as_json=as_json)


@app.command()
def backfill(stage: StageName, since: SinceOption, until: UntilOption, home: HomeOption = None) -> None:
    """Run one stage for each session, oldest first."""
    with prefect(home) as opened:
        for session in opened.sessions.between(since.date(), until.date()):
            show(_flow(stage)(session=session, home=opened.path), as_json=False)


def _ends_idle(home: Home) -> bool:
    """Whether no session waits to be settled, which the ledger then says of this run too: no Prefect is needed for it.

    A server for the while and its client cost six seconds of processor time.
    """
    from countersign.services.operations.platform_status import note_run
    from countersign.services.settlement.settled import due_sessions

    with home.ledger.read() as db:
        if due_sessions(db, home.sessions, home.sessions.newest_closed(home.clock.now())):
            return False
    note_run(home, StageName.SETTLE, failed=False)
    return True


def _flow(stage: StageName) -> Any:
    from countersign.deployments.orchestration.schedules import load_flow
    from countersign.models.timetable import TIMETABLE

    return load_flow(next(slot for slot in TIMETABLE if slot.stage == stage))


@app.command()
def correct(
    session: Annotated[datetime, typer.Option("--session", formats=["%Y-%m-%d"], help="Settled session.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Settle a session again, in a new version, from bars, levels or actions that changed since; and all later ones.

    The old versions are kept, and both are shown.
    """
    with prefect(home, "countersign.flows.correction") as opened:
        from countersign.flows.correction import correct_settlement

        show(correct_settlement(session.date(), home=opened.path), as_json=as_json)


@app.command()
def replay(
    since: SinceOption,
    until: UntilOption,
    strategies: Annotated[Path | None, typer.Option(help="Parquet or CSV file of strategies to open first.")] = None,
    signals: Annotated[Path | None, typer.Option(help="File with strategy, session, symbol, weight.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the whole lifecycle session by session under the simulated clock."""
    with prefect(home, "countersign.flows.replay") as opened:
        from countersign.flows.replay import replay as flow

        first, last = since.date(), until.date()
        done = flow(first, last, strategies=strategies, signals=signals, home=opened.path)
        passed = done.pop("passed_over", None)
        if passed and as_json:
            done["passed_over"] = passed.counts()
        elif passed:
            done["passed over"] = passed.words(first, last)
        show(done, as_json=as_json)


@app.command()
def sample(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Prepare a home with a sample market and sample strategies, and replay their last 60 sessions. Safe to repeat."""
    from countersign.deployments.sample import prepare_sample
    from countersign.settings import locate_home

    show(prepare_sample(locate_home(home)), as_json=as_json)


@app.command()
def publish(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make it from nothing, not from what is published.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish the lens: what is settled, in one DuckDB file."""
    from countersign.services.publication import publish as lens

    show((lens.rebuild if rebuild else lens.publish)(open_home(home)), as_json=as_json)
