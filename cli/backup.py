"""Back up and restore a home."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from countersign.cli.common import HomeOption, JsonOption, group, open_home, show
from countersign.models.errors import CountersignError

if TYPE_CHECKING:
    from countersign.store.home import Home

app = group("Back-ups.")
WARNING = "The back-up holds secrets (keys, settings, accounts): keep it where only you can read it."
REBUILD = "run `countersign publish --rebuild` before you serve it: the lens is not in the back-up"


@app.command()
def backup(
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="Folder that is not there yet, or a back-up of before.")],
    check: Annotated[bool, typer.Option("--check", help="Only check the back-up that is there.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back up the home while everything runs: ledger, journal, lake, settings, clock and keys. It holds secrets."""
    from countersign.services.operations.backup import back_up, check_backup, describe

    if check:
        show(describe(check_backup(dest)), as_json=as_json)
        return
    opened = open_home(home)
    row = describe(back_up(opened, dest.expanduser().absolute(), opened.clock.now()))
    show({"remarks": (WARNING,), **row} if not as_json else row, as_json=as_json)


@app.command()
def restore(
    src: Annotated[Path, typer.Argument(metavar="SRC", help="A folder made by `countersign backup`.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an empty home from a back-up, checked file by file; then fetch what the journal's remote has beyond it."""
    from countersign.services.operations.backup import describe
    from countersign.services.operations.restore import restore as restore_home
    from countersign.settings import load_settings, locate_home

    target = load_settings(home).home.expanduser().absolute()
    load_settings.cache_clear()  # the settings to come are those of the back-up
    restored, manifest = restore_home(src.expanduser().absolute(), target, locate_home)
    row = describe(manifest) | {"home": str(target), **_fetch(restored)}
    show({"remarks": (REBUILD,), **row} if not as_json else row, as_json=as_json)


def _fetch(home: Home) -> dict[str, Any]:
    from countersign.services.attestation.journal_repair import fetch_journal

    if not home.journal_remote:
        return {"fetched": 0}
    try:
        return {"fetched": fetch_journal(home, home.clock.now())["fetched"]}
    except CountersignError as error:  # the home is there; the remote is a matter of its own
        return {"fetched": 0, "remote": str(error)}
