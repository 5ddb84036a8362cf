"""External feeds: entering them, their state, and a simulated one to try things with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from countersign.cli.common import HomeOption, JsonOption, group, open_home, show
from countersign.models.errors import InputError
from countersign.store.clock import wall_clock

if TYPE_CHECKING:
    from countersign.models.feeds import FeedTerms
    from countersign.models.tables.external import Source

source = group("External feeds: whose signals are polled.")

NameArgument = Annotated[str, typer.Argument(help="Name of a source.")]


@source.command("add")
def source_add(
    name: Annotated[str, typer.Argument(help="A short name of your own, unique.")],
    url: Annotated[str, typer.Option(help="Address of the feed; https, or this machine.")],
    adapter: Annotated[str, typer.Option(help="cqs or generic_json.")] = "cqs",
    key: Annotated[
        str | None, typer.Option(envvar="COUNTERSIGN_SOURCE_KEY", help="Key of the feed; a secret.", show_envvar=True)
    ] = None,
    exchange: Annotated[str | None, typer.Option(help="Only this exchange.")] = None,
    currency: Annotated[str | None, typer.Option(help="Only this quote currency.")] = None,
    signal_type: Annotated[str | None, typer.Option("--type", help="Only this type, such as SCALPING.")] = None,
    every: Annotated[
        int | None, typer.Option(min=10, max=86_400, help="Seconds between polls (60 for SCALPING, else 180).")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="JSON file with the mapping of generic_json.")] = None,
    trial: Annotated[bool, typer.Option("--try", help="Only ask it once and show what would be stored.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enter a feed; it is polled from now on. The name of a removed one takes up where that left off.

    With --try nothing is entered or kept: exit 1 where no signal comes.
    """
    from countersign.models.feeds import NO_SETTINGS, FeedTerms
    from countersign.models.tables.operations import OPERATOR
    from countersign.services.external.sources import add_source

    wanted = FeedTerms(
        name=name,
        adapter=adapter,
        url=url,
        key=key,
        exchange=exchange,
        currency=currency,
        type=signal_type,
        every_seconds=every,
        settings=_read(mapping) if mapping else NO_SETTINGS,
    )
    if trial:
        _try(wanted, as_json=as_json)
        return
    with open_home(home).ledger.write() as db:
        added = add_source(db, wanted, wall_clock(), OPERATOR)
        show(_shape(added), as_json=as_json)


@source.command("list")
def source_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the sources and how their polling stands. Keys are not shown."""
    from countersign.services.external.sources import list_sources

    with open_home(home).ledger.read() as db:
        rows = [
            _shape(each.source)
            | {
                "state": "stopped" if each.state.stopped_at else "paused" if each.source.paused_at else "polled",
                "polled_at": each.state.polled_at,
                "good_at": each.state.good_at,
                "trouble": each.state.trouble,
                "gap_since": each.gap_since,
                "missing_fields": each.state.missing if as_json else _joined(each.state.missing),
            }
            for each in list_sources(db)
        ]
    show(rows, as_json=as_json)


@source.command("pause")
def source_pause(
    name: NameArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Poll it again, also after trouble that stopped it.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop polling a source for the while. What it publishes meanwhile is a gap."""
    from countersign.models.tables.operations import OPERATOR
    from countersign.services.external.sources import pause_source

    with open_home(home).ledger.write() as db:
        found = pause_source(db, name, wall_clock(), OPERATOR, paused=not undo)
        show({"name": found.name, "paused": found.paused_at is not None}, as_json=as_json)


@source.command("remove")
def source_remove(name: NameArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Poll a source no more and forget its key. Its signals are kept."""
    from countersign.models.tables.operations import OPERATOR
    from countersign.services.external.sources import remove_source

    with open_home(home).ledger.write() as db:
        show({"name": remove_source(db, name, wall_clock(), OPERATOR).name, "removed": True}, as_json=as_json)


@source.command("simulate")
def source_simulate(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on this machine; 0: any free one.")] = 8090,
    seed: Annotated[int, typer.Option(help="The same seed makes the same signals.")] = 7,
    premium_key: Annotated[list[str] | None, typer.Option(help="A key it takes besides FREE; may be repeated.")] = None,
    failing: Annotated[int | None, typer.Option(min=1, max=99, help="Answer everyone with this error code.")] = None,
    broken_minutes: Annotated[int, typer.Option(min=0, max=60, help="Be down for the first minutes of an hour.")] = 0,
) -> None:
    """Serve a made-up feed that keeps to the API of the adapter cqs, until Ctrl-C."""
    from countersign.deployments.feed import main as start

    keys = [word for key in premium_key or () for word in ("--premium-key", key)]
    fault = ["--failing", str(failing)] if failing is not None else []
    start([str(port), "--seed", str(seed), *keys, *fault, "--broken-minutes", str(broken_minutes)], say=typer.echo)


def _try(wanted: FeedTerms, *, as_json: bool) -> None:
    from countersign.services.external.feed_trials import try_feed

    found = asdict(try_feed(wanted))
    if as_json:
        show(found, as_json=True)
    else:
        show([_plain(row) for row in found.pop("items")], as_json=False)
        show(_plain(found), as_json=False)
    if not found["signals"]:
        raise typer.Exit(1)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its lists in words."""
    return {name: _joined(value) if isinstance(value, list) else value for name, value in row.items()}


def _joined(values: Sequence[str | None]) -> str:
    return ", ".join(each or "none" for each in values) or "none"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("mapping", "a JSON file that can be read", error) from None


def _shape(found: Source) -> dict[str, Any]:
    names = ("name", "adapter", "url", "exchange", "currency", "type", "every_seconds")
    return {name: getattr(found, name) for name in names} | {"key": "set" if found.key else "none"}
