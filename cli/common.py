"""Parts that the commands share: options, the printing of a result, the opening of a home, the way to Prefect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from countersign.store.home import Home

HomeOption = Annotated[Path | None, typer.Option("--home", help="Home folder (default: COUNTERSIGN_HOME).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
SinceOption = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First session.")]
UntilOption = Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last session.")]
SessionOption = Annotated[datetime | None, typer.Option("--session", formats=["%Y-%m-%d"], help="Trading session.")]


def group(help_text: str) -> typer.Typer:
    """Make a group of commands."""
    return typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=help_text)


def show(result: Any, *, as_json: bool) -> None:
    """Print a result: a dataclass or a mapping, or a list of them; its remarks first, a line each."""
    listed = result if isinstance(result, list) else [result]
    rows = [asdict(row) if is_dataclass(row) and not isinstance(row, type) else row for row in listed]
    if as_json:
        typer.echo(json.dumps(rows if isinstance(result, list) else rows[0], default=str))
        return
    for row in rows:
        for remark in row.pop("remarks", ()) if isinstance(row, dict) else ():
            typer.echo(remark)
        typer.echo("  ".join(f"{key} {value}" for key, value in row.items()) if isinstance(row, dict) else str(row))


def day_of(value: datetime | None) -> date | None:
    """Return the date of an option, as Typer knows times only."""
    return value.date() if value else None


def open_home(home: Path | None) -> Home:
    """Open the home that the settings name, as `settings.open_home` does."""
    from countersign.settings import open_home as open_checked

    return open_checked(home)


@contextmanager
def prefect(home: Path | None, *modules: str) -> Iterator[Home]:
    """Open a home and reach its Prefect server, the running one or one for the while; `modules` are imported then."""
    opened = open_home(home)
    from countersign.deployments.orchestration.server import prefect_api

    with prefect_api(opened.path, *modules):
        yield opened
