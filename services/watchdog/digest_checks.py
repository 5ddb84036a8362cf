"""Digest checks of the watchdog: damaged files of lake and lens, and the turn in which all of them are hashed."""

import time
from collections.abc import Callable
from datetime import date, timedelta

from sqlmodel import select

from countersign.models.datasets import (
    ALL,
    BARS,
    EVALUATIONS,
    FACTOR_IC,
    MARKS,
    NAV,
    ORDERS,
    POSITIONS,
    SIGNALS,
    Dataset,
)
from countersign.models.problems import Repair, WatchdogProblem
from countersign.models.tables.lake import LakeFile
from countersign.services.operations.backup import LAKE
from countersign.store.clock import wall_clock
from countersign.store.home import Home
from countersign.store.lake.digests import Turn, check_turn, checked_through, note_all
from countersign.store.lens.digest import check_version
from countersign.store.lens.versions import current_version

# Once a day, and at each start: some 10 GB an evening.
TURN_SECONDS, TURN_FILES = 20.0, 20_000
# Rot is found within so many days, or a warning says that it may not be.
ROUND = timedelta(days=30)
MADE_AGAIN = {
    **dict.fromkeys((each.name for each in (SIGNALS, ORDERS, POSITIONS, NAV, MARKS)), Repair.SETTLE),
    EVALUATIONS.name: Repair.EVALUATE,
    FACTOR_IC.name: Repair.TRACK,
}


def check_in_turn(home: Home, seconds: float = TURN_SECONDS) -> Turn:
    """Hash the lens, and the files of the lake whose turn it is, for at most this long."""
    lens = current_version(home.path)
    if lens:
        check_version(home.ledger, lens)
    end = time.monotonic() + seconds
    return check_turn(home.ledger, home.lake.root, lambda: time.monotonic() < end, TURN_FILES)


def note_checked(home: Home) -> None:
    """Record in the ledger the files found whole on the way, repaired ones too."""
    note_all(home.ledger, home.lake.root)


def damaged_files(home: Home, session: date) -> list[WatchdogProblem]:
    """Files that count but are missing, cut or altered: a stage makes its files again, byte for byte."""
    problems = []
    for dataset in ALL:
        through = session if dataset.series is None else None
        for file, fault in home.lake.damaged(dataset, through):
            repair, words = _mend(dataset, file, session)
            problems.append(
                WatchdogProblem("damaged file", file.path, f"{file.path} is {fault}{words}", repair, file.session)
            )
    for file, fault in home.lake.faults(home.lake.superseded(NAV)):
        text = f"{file.path}, which a correction replaced, is {fault}: {_from_backup(file)}"
        problems.append(WatchdogProblem("damaged file", file.path, text))
    return problems


def _mend(dataset: Dataset, file: LakeFile, session: date) -> tuple[Repair, str]:
    """Return the stage that makes a file again, or instructions for the operator."""
    if dataset is FACTOR_IC and file.series:
        last = max(session, file.session)
        return Repair.NONE, f": `countersign factors revalidate --from {file.session} --to {last}` makes it again"
    if dataset.name in MADE_AGAIN:
        return MADE_AGAIN[dataset.name], ""
    # The others are merged with what is there, or known by digests of their own: neither brings the same file again.
    again = f", or import {file.session} again" if dataset is BARS else ""
    return Repair.NONE, f": {_from_backup(file)}{again}"


def _from_backup(file: LakeFile) -> str:
    return f"copy it from {LAKE}/{file.path} of a back-up"


def unchecked_files(home: Home, _session: date) -> list[WatchdogProblem]:
    """Report files that were not hashed for longer than a round takes."""
    with home.ledger.read() as db:
        since = checked_through(db)
        never = since is None and db.exec(select(LakeFile.id).limit(1)).first() is not None
    if never:
        return [WatchdogProblem("files not checked", "lake", "some files of the lake were never hashed", warning=True)]
    if since is None or wall_clock() - since < ROUND:
        return []
    text = f"some files of the lake were not hashed for more than {ROUND.days} days, since {since:%F}"
    return [WatchdogProblem("files not checked", "lake", text, warning=True)]


DIGEST_CHECKS: tuple[Callable[[Home, date], list[WatchdogProblem]], ...] = (damaged_files, unchecked_files)
