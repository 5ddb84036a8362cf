"""The clock: the one place where the time is read. A home has one kind of clock for life."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from countersign.models.errors import ConflictError, InputError, StoreError
from countersign.store.files import write_atomically

ClockKind = Literal["system", "simulated"]
CLOCK_FILE = "clock"


@dataclass(frozen=True)
class Clock:
    """A home's clock. Simulated: the time is in the home's file `clock` until it is moved."""

    kind: ClockKind
    home: Path

    @property
    def simulated(self) -> bool:
        """Whether the clock is simulated; everything produced under it must say so."""
        return self.kind == "simulated"

    def now(self) -> datetime:
        """Return the time, in UTC."""
        if not self.simulated:
            return wall_clock()
        try:
            found = datetime.fromisoformat((self.home / CLOCK_FILE).read_text().strip())
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.home / CLOCK_FILE}: expected the simulated time ({error})") from error
        if found.tzinfo is None:
            raise StoreError(f"{self.home / CLOCK_FILE}: expected the simulated time with its zone, got {found}")
        return found.astimezone(UTC)

    def set(self, now: datetime) -> None:
        """Move a simulated clock, forwards or backwards. ConflictError on a home with the system clock."""
        if not self.simulated:
            raise ConflictError(f"{self.home}: this home runs on the system clock, which nobody sets")
        if now.tzinfo is None:
            raise InputError("time", "a time with a zone, such as 2026-01-05T18:15:00+08:00", now.isoformat())
        write_atomically(self.home / CLOCK_FILE, now.astimezone(UTC).isoformat().encode())


def wall_clock() -> datetime:
    """Return the machine's time in UTC, with any clock of the home: for leases and process bookkeeping alone."""
    return datetime.now(UTC)
