"""The sealer's heartbeat: the time of its last round, by the wall clock."""

import math
import time

from countersign.store.clock import wall_clock
from countersign.store.ledger.facts import SEALER_SEEN, keep_fact
from countersign.store.ledger.ledger import Ledger

# A sealer makes a round this often even if nothing waits: it looks at the journal, and says that it lives.
BEAT_SECONDS = 30.0


class Heartbeat:
    """Records in the ledger that a sealer lives, no more often than is needed."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._last = -math.inf

    @property
    def is_due(self) -> bool:
        """Whether it is time for a round, even if nothing waits."""
        return time.monotonic() - self._last >= BEAT_SECONDS

    def beat(self) -> None:
        """Record a round in the ledger, if it is time."""
        if self.is_due:
            with self._ledger.write() as db:
                keep_fact(db, SEALER_SEEN, wall_clock().isoformat())
            self._last = time.monotonic()
