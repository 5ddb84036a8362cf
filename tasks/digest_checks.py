"""Digest checks of the watchdog: damaged files of lake and lens, and the turn in which all of them are hashed."""

from countersign.services.watchdog import digest_checks as service
from countersign.services.watchdog.digest_checks import TURN_SECONDS
from countersign.store.home import Home
from countersign.store.lake.digests import Turn
from countersign.tasks.stage import stage_task


@stage_task()
def check_in_turn(home: Home, seconds: float = TURN_SECONDS) -> Turn:
    """Hash the lens, and the files of the lake whose turn it is, for at most this long."""
    return service.check_in_turn(home, seconds)


@stage_task()
def note_checked(home: Home) -> None:
    """Record in the ledger the files found whole on the way, repaired ones too."""
    service.note_checked(home)
