"""Attestation: seal signals, fetch tokens, push. Each is safe to repeat, and to run beside the sealer."""

import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime

from countersign.models.errors import LeaseError
from countersign.services.attestation.pushing import PushOutcome, PushState, push_pending
from countersign.services.attestation.sealing import Sealer, is_pending, sealing
from countersign.services.attestation.side_sealer import side_sealer
from countersign.services.attestation.timestamps import stamp_pending
from countersign.store.home import Home

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class SealingResult:
    """Counts of a sealing round; `by_another` says that the sealer's own process did it."""

    sealed: int = 0
    disclosed: int = 0
    by_another: bool = False


def seal(home: Home, now: datetime | None = None) -> SealingResult:
    """Seal signals and disclose sessions that wait (at `now`, default the home's clock); return once none waits.

    If another process is the sealer, it does the work and this waits. LeaseError if it takes too long.
    """
    with be_sealer(home) as sealer:
        return sealer(now or home.clock.now())


@contextmanager
def be_sealer(home: Home) -> Generator[Callable[[datetime], SealingResult]]:
    """Be the sealer for the block; give a function that seals at a given time.

    If another process is the sealer, the function waits until that has sealed everything; LeaseError if that takes too
    long.
    """
    with ExitStack() as held:
        try:
            sealer = held.enter_context(sealing(home))
        except LeaseError:
            yield lambda _now: _wait_for_sealer(home)
        else:
            yield lambda now: _seal(sealer, now)


@contextmanager
def have_sealer(home: Home) -> Generator[Callable[[datetime], object]]:
    """Have a sealer in a process of its own for the block; give a function that hands it a round at a given time.

    When the block ends everything is sealed. If another process is the sealer, it is waited for at every round.
    """
    with ExitStack() as held:
        try:
            seal_beside: Callable[[datetime], object] = held.enter_context(side_sealer(home)).seal
        except LeaseError:
            seal_beside = held.enter_context(be_sealer(home))
        yield seal_beside


def _seal(sealer: Sealer, now: datetime) -> SealingResult:
    outcome = sealer.seal(now)
    return SealingResult(outcome.sealed, outcome.disclosed)


def _wait_for_sealer(home: Home) -> SealingResult:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while is_pending(home):
        if time.monotonic() > give_up:
            raise LeaseError(f"{home.path}: another process is the sealer, and it does not seal")
        time.sleep(PAUSE_SECONDS)
    return SealingResult(by_another=True)


def stamp(home: Home) -> int:
    """Fetch the tokens that are missing; return how many came."""
    return stamp_pending(home, home.clock.now())


def push(home: Home, attempts: int = 3) -> PushOutcome:
    """Push the commits that are not pushed, trying a few times; return the last outcome, good or bad."""
    pause = 1.0
    while True:
        outcome = push_pending(home, home.clock.now())
        attempts -= 1
        if outcome.state is not PushState.FAILED or not attempts:
            return outcome
        time.sleep(pause)
        pause *= 4
