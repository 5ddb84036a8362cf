"""Side sealer: seals in a process of its own for the replay, which submits and settles faster than sealing allows.

Its owner sends it rounds: seal everything up to an extent of the ledger, at a time. Hence the journal is the same
whether it keeps up or falls behind. It ends with its owner, however that ends: signals not sealed by then wait in the
ledger for the next sealer, like any others.
"""

import multiprocessing
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from multiprocessing.connection import Connection

from countersign.models.errors import CountersignError, StoreError
from countersign.services.attestation.sealing import extent, sealing
from countersign.store.home import Home

# Rounds that may wait: enough to be busy all the time, few enough that little is unsealed if all of it dies.
MOST_WAITING = 6
PATIENCE_SECONDS = 60.0
DIED = "the process that seals has died; what is not sealed yet waits in the ledger"


class SideSealer:
    """The owner's end: `seal` hands a round over and returns at once, unless too many wait already."""

    def __init__(self, home: Home, pipe: Connection) -> None:
        self._home, self._pipe = home, pipe
        # Its first answer says that it has begun, or why not.
        self._waiting = 1

    def seal(self, now: datetime) -> None:
        """Have all signals and sessions there are sealed and disclosed, as of `now`; raise an earlier round's error."""
        try:
            self._pipe.send((now, extent(self._home)))
        except OSError:
            raise StoreError(DIED) from None
        self._waiting += 1
        while self._waiting > MOST_WAITING or self._pipe.poll():
            self._hear()

    def finish(self) -> None:
        """Wait until every round is done."""
        while self._waiting:
            self._hear()

    def _hear(self) -> None:
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError):
            self._waiting = 0
            raise StoreError(DIED) from None
        self._waiting -= 1
        if answer is not None:
            raise answer


@contextmanager
def side_sealer(home: Home) -> Generator[SideSealer]:
    """Start the process, which is the sealer as long as the block lasts; every round is done when the block ends.

    LeaseError if another live process is the sealer.
    """
    # Not forked: the owner has threads, and connections to the ledger.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(home, theirs), name="sealer", daemon=True)
    process.start()
    theirs.close()
    try:
        sealer = SideSealer(home, ours)
        sealer.finish()
        yield sealer
        sealer.finish()
    finally:
        ours.close()
        process.join(PATIENCE_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def _work(home: Home, pipe: Connection) -> None:
    try:
        with sealing(home) as sealer:
            pipe.send(None)
            while True:
                now, through = pipe.recv()
                try:
                    sealer.seal(now, through)
                except Exception as error:
                    pipe.send(error)
                else:
                    pipe.send(None)
    except CountersignError as error:
        pipe.send(error)
    except EOFError:
        return
