"""The `countersign` command: arguments and printing only.

Exit codes: 0 done, 1 it failed, 2 wrong use. Errors are one line on stderr. What Prefect needs is imported by the
commands that use it, after its environment is set.
"""

import atexit
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from models.errors import CountersignError, InputError
from settings import locate_home, open_home
from store.home import Home

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Countersign")
market = typer.Typer(no_args_is_help=True, help="Market data: import it, simulate it, fetch it.")
clock = typer.Typer(no_args_is_help=True, help="The simulated clock.")
app.add_typer(market, name="market")
app.add_typer(clock, name="clock")

HomeOption = Annotated[Path | None, typer.Option("--home", help="Home folder (default: COUNTERSIGN_HOME).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
SinceOption = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First session.")]
UntilOption = Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last session.")]
SessionOption = Annotated[datetime | None, typer.Option("--session", formats=["%Y-%m-%d"], help="Trading session.")]
FileArgument = Annotated[Path, typer.Argument(help="Parquet or CSV file.")]


class Stage(StrEnum):
    """The stages that can be run by hand."""

    ATTESTATION_RETRY = "attestation-retry"
    MARKET_INGEST = "market-ingest"
    SETTLE = "settle"
    WATCHDOG = "watchdog"


def main() -> None:
    """Run the command; the program's entry."""
    # Registered first, so that it runs last: DuckDB's binding prints a page of what Prefect's threads still hold then.
    atexit.register(lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno()))
    # What Prefect logs is in its server; on a terminal it would drown the progress bar and the one line of an error.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    try:
        app(standalone_mode=False)
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except typer.Abort:
        sys.exit(1)
    except CountersignError as error:
        print(f"countersign: {error}", file=sys.stderr)  # noqa: T201 - the one place that prints errors
        sys.exit(2 if isinstance(error, InputError) else 1)
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # click's own errors: wrong use
            print(f"countersign: {error.format_message()}", file=sys.stderr)  # noqa: T201
            sys.exit(int(error.exit_code))
        raise


def show(result: Any, *, as_json: bool) -> None:
    """Print a result: a dataclass or a mapping, or a list of them."""
    rows = [
        asdict(row) if is_dataclass(row) and not isinstance(row, type) else row
        for row in (result if isinstance(result, list) else [result])
    ]
    if as_json:
        typer.echo(json.dumps(rows if isinstance(result, list) else rows[0], default=str))
        return
    for row in rows:
        typer.echo("  ".join(f"{key} {value}" for key, value in row.items()) if isinstance(row, dict) else str(row))


def _day(value: datetime | None) -> date | None:
    return value.date() if value else None


@contextmanager
def _prefect(home: Path | None) -> Iterator[Home]:
    """Open a home and reach its Prefect server, the running one or one for the while."""
    opened = open_home(home)
    from deployments.server import prefect_api  # noqa: PLC0415

    with prefect_api(opened.path):
        yield opened


@app.command()
def init(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Create a home: ledger, lake and settings. A home that exists is brought up to date and otherwise left alone."""
    located = locate_home(home)
    show({"home": str(located.path), "new": located.create(), "clock": located.clock.kind}, as_json=as_json)


@app.command()
def up(
    home: HomeOption = None,
    prefect_port: Annotated[int, typer.Option(help="Port of the Prefect server and its UI.")] = 4200,
    check: Annotated[bool, typer.Option("--check", help="Stop again as soon as everything is up and planned.")] = False,
) -> None:
    """Start everything: Prefect's server and UI, and the runner with all schedules. Ctrl-C stops it all."""
    opened = open_home(home)
    from deployments.ready import schedules_are_planned  # noqa: PLC0415
    from deployments.up import up as start  # noqa: PLC0415

    def checked() -> bool:
        return check and schedules_are_planned(opened.path)

    start(opened.path, prefect_port=prefect_port, say=typer.echo, until=checked)


@app.command()
def sealer(home: HomeOption = None) -> None:
    """Start only the sealer, which `up` starts too; Ctrl-C stops it. A second one stands by to take over."""
    opened = open_home(home)
    from deployments.sealer import main as start  # noqa: PLC0415

    start([str(opened.path)])


@app.command()
def verify(
    journal: Annotated[Path, typer.Argument(help="A clone of a journal.")],
    strategy: Annotated[str | None, typer.Option(help="Only this strategy.")] = None,
    bars: Annotated[Path | None, typer.Option(help="Bars, Parquet or CSV, to settle every session again from.")] = None,
    signers: Annotated[Path | None, typer.Option(help="allowed_signers from a source trusted more.")] = None,
    tsa_ca: Annotated[list[Path] | None, typer.Option(help="PEM certificates of timestamp authorities.")] = None,
    contains: Annotated[list[str] | None, typer.Option(help="A commit known to have been in it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a journal offline: signatures, chains, deadlines, reveals, tokens and, given bars, every NAV."""
    from tasks.verification import report_json, verify_journal  # noqa: PLC0415
    from tasks.verification_text import render_report  # noqa: PLC0415

    report = verify_journal(
        journal, strategy=strategy, bars=bars, signers=signers, authorities=tsa_ca or (), contains=contains or ()
    )
    typer.echo(json.dumps(report_json(report), default=str) if as_json else render_report(report))
    raise typer.Exit(0 if report.holds else 1)


@app.command()
def audit(
    repository: Annotated[Path, typer.Argument(help="A repository of daily attestation files.")],
    as_json: JsonOption = False,
) -> None:
    """Audit a foreign attestation repository: which commit first held each entry, and whether that was in time."""
    from tasks.verification import audit_json, audit_repository  # noqa: PLC0415
    from tasks.verification_text import render_audit  # noqa: PLC0415

    done = audit_repository(repository)
    typer.echo(json.dumps(audit_json(done), default=str) if as_json else render_audit(done))
    raise typer.Exit(0 if not (done.after_deadline or done.unsigned_commits or done.truncated_hashes) else 1)


@app.command()
def deploy(
    work_pool: Annotated[str, typer.Argument(help="Name of the work pool; made of processes if it is missing.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register the same flows and schedules on a Prefect work pool, for more than one machine."""
    with _prefect(home):
        from deployments.deploy import deploy as register  # noqa: PLC0415

        show([{"deployment": str(each)} for each in register(work_pool)], as_json=as_json)


@app.command()
def run(stage: Stage, session: SessionOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Run one stage now (default: for the newest closed session)."""
    with _prefect(home) as opened:
        show(_flow(stage)(session=_day(session), home=opened.path), as_json=as_json)


@app.command()
def backfill(stage: Stage, since: SinceOption, until: UntilOption, home: HomeOption = None) -> None:
    """Run one stage for each session, oldest first."""
    with _prefect(home) as opened:
        for session in opened.sessions.between(since.date(), until.date()):
            show(_flow(stage)(session=session, home=opened.path), as_json=False)


def _flow(stage: Stage) -> Any:
    from deployments.schedules import load_flow  # noqa: PLC0415
    from models.timetable import TIMETABLE  # noqa: PLC0415

    return load_flow(next(slot for slot in TIMETABLE if slot.stage == stage))


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
    with _prefect(home) as opened:
        from flows.replay import replay as flow  # noqa: PLC0415

        done = flow(since.date(), until.date(), strategies=strategies, signals=signals, home=opened.path)
        show(done, as_json=as_json)


@app.command()
def sample(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Prepare a home with a sample market and sample strategies, and replay their last 60 sessions. Safe to repeat."""
    located = locate_home(home)
    from deployments.sample import prepare_sample  # noqa: PLC0415

    show(prepare_sample(located), as_json=as_json)


@app.command()
def publish(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make it from nothing, not from what is published.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish the lens: what is settled, in one DuckDB file."""
    from store import lens  # noqa: PLC0415 - DuckDB, for this command alone

    show((lens.rebuild if rebuild else lens.publish)(open_home(home)), as_json=as_json)


def _importer(kind: str) -> Callable[..., None]:
    def command(path: FileArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
        opened = open_home(home)
        import tasks.market  # noqa: PLC0415

        show(getattr(tasks.market, kind)(opened, path, opened.clock.now()), as_json=as_json)

    return command


for _name, _kind, _help in (
    ("import", "import_bars", "Import bars: symbol, session (or date), open, high, low, close, volume, and more."),
    ("import-index", "import_index", "Import index levels: index, session, close."),
    ("import-universe", "import_universe", "Import universes: universe, symbol, since, until (null while it lasts)."),
    ("import-actions", "import_actions", "Import corporate actions: symbol, session, cash, bonus."),
):
    market.command(_name, help=_help)(_importer(_kind))


@market.command("simulate")
def market_simulate(
    symbols: Annotated[int, typer.Option(min=20, max=10_000)] = 800,
    sessions: Annotated[int, typer.Option(min=2, max=5_000)] = 500,
    seed: int = 7,
    end: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last session.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a sample market: seeded, so that the same options give the same prices."""
    opened = open_home(home)
    from tasks.market import simulate_market  # noqa: PLC0415

    done = simulate_market(opened, opened.clock.now(), symbols=symbols, sessions=sessions, seed=seed, end=_day(end))
    show(done, as_json=as_json)


@market.command("ingest")
def market_ingest(session: SessionOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Fetch a session from the configured provider and check it."""
    run(Stage.MARKET_INGEST, session, home, as_json)


@clock.command("show")
def clock_show(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show what time it is in this home."""
    opened = open_home(home)
    show({"now": opened.clock.now().isoformat(), "clock": opened.clock.kind}, as_json=as_json)


@clock.command("set")
def clock_set(
    time: Annotated[str, typer.Argument(help="Such as 2026-01-05T18:15:00+08:00.")], home: HomeOption = None
) -> None:
    """Move the simulated clock."""
    try:
        now = datetime.fromisoformat(time)
    except ValueError:
        raise InputError("time", "a time such as 2026-01-05T18:15:00+08:00", time) from None
    open_home(home).clock.set(now)


if __name__ == "__main__":
    main()
