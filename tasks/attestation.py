"""Attestation tasks: seal signals, fetch tokens, push. Each is safe to repeat, and to run beside the sealer."""

from datetime import datetime

from countersign.services.attestation import seal_and_push as service
from countersign.services.attestation.pushing import PushOutcome
from countersign.services.attestation.seal_and_push import SealingResult
from countersign.store.home import Home
from countersign.tasks.stage import stage_task


@stage_task()
def seal(home: Home, now: datetime | None = None) -> SealingResult:
    """Seal signals and disclose sessions that wait (at `now`, default the home's clock); return once none waits."""
    return service.seal(home, now)


@stage_task()
def stamp(home: Home) -> int:
    """Fetch the tokens that are missing; return how many came."""
    return service.stamp(home)


@stage_task()
def push(home: Home, attempts: int = 3) -> PushOutcome:
    """Push the commits that are not pushed, trying a few times; return the last outcome, good or bad."""
    return service.push(home, attempts)
