"""Status: runs, lateness, waiting work, and the watchdog's problems."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import typer

from countersign.cli.common import HomeOption, JsonOption, group, open_home, show
from countersign.domain.sessions import EXCHANGE_ZONE

if TYPE_CHECKING:
    from countersign.models.problems import WatchdogProblem
    from countersign.services.attestation.agreement import Agreement
    from countersign.services.operations.platform_status import PlatformStatus, StageStatus
    from countersign.store.home import Home

app = group("Where the platform stands.")


@app.command()
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show what ran, what is late, unsealed, unpushed and unsettled; exit 1 if anything is late or wrong."""
    from countersign.services.operations.platform_status import overdue_through, read_platform_status
    from countersign.services.watchdog.checks import find_problems

    opened = open_home(home)
    now = opened.clock.now()
    status_now = read_platform_status(opened, now)
    problems = find_problems(opened, overdue_through(opened.sessions, now))
    wrong = any(stage.late for stage in status_now.stages) or any(not problem.warning for problem in problems)
    if as_json:
        row = asdict(status_now) | {"clock": opened.clock.kind, "calendar_until": opened.sessions.known_until}
        show(row | {"problems": [asdict(problem) for problem in problems], "ok": not wrong}, as_json=True)
    else:
        for line in _facts(opened, status_now.now.astimezone(EXCHANGE_ZONE).isoformat(" ", "seconds")):
            typer.echo(line)
        typer.echo(_settled(status_now))
        typer.echo(f"unsealed {status_now.unsealed}; unpushed {status_now.unpushed}")
        typer.echo(_sealing(status_now.attestation))
        typer.echo(_disk(status_now))
        for stage in status_now.stages:
            typer.echo(_stage(stage))
        for problem in problems:
            typer.echo(_problem(problem))
    raise typer.Exit(1 if wrong else 0)


def _facts(home: Home, now: str) -> list[str]:
    return [f"{home.path}: {now}, {home.clock.kind} clock", f"calendar known until {home.sessions.known_until}"]


def _days(days: tuple[Any, ...]) -> str:
    if not days:
        return "none"
    return str(days[0]) if len(days) == 1 else f"{len(days)} sessions, {days[0]} to {days[-1]}"


def _settled(status_now: PlatformStatus) -> str:
    took = status_now.settle_seconds
    last = "" if took is None else f"; newest settlement took {took:.2f} s"
    return f"settled through {status_now.settled_through or 'nothing yet'}; waiting: {_days(status_now.waiting)}{last}"


def _sealing(found: Agreement) -> str:
    seen = f", last round {found.sealer_seen_at.astimezone(EXCHANGE_ZONE):%F %T}" if found.sealer_seen_at else ""
    words = [f"sealer {'at work' if found.sealer_alive else 'not at work'}{seen}"]
    words += ["sealing has stopped"] if found.stopped else []
    words.append(f"journal and ledger {'agree' if found.journal_agrees else 'differ'}")
    if found.remote_agrees is not None:
        words.append(f"journal and remote {'agree' if found.remote_agrees else 'differ'}")
    return "; ".join([*words, *([f"set aside {found.set_aside}"] if found.set_aside else [])])


def _disk(status_now: PlatformStatus) -> str:
    since = status_now.digests_checked_through
    checked = f"since {since.astimezone(EXCHANGE_ZONE):%F %T}" if since else "not all of them yet"
    return f"{status_now.free_bytes / 1e9:.1f} GB free; files of the lake hashed: {checked}"


def _stage(stage: StageStatus) -> str:
    lag = timedelta(seconds=int(stage.lag_seconds))
    state = "done" if stage.done else f"{'late' if stage.late else 'due'}, lag {lag}"
    last = ""
    if stage.last_run:
        ended = "failed" if stage.failed else "ended"
        last = f"; last run {ended} {stage.last_run.astimezone(EXCHANGE_ZONE):%F %T}"
    return f"{stage.stage:26} {stage.session or '-'!s:10} {state}{last}"


def _problem(problem: WatchdogProblem) -> str:
    return f"{'warning' if problem.warning else 'problem'}: {problem.text}"
