"""Revalidation tasks: measuring factors again on the bars as they are now, a chunk of them at a time."""

from collections.abc import Sequence
from datetime import date

from countersign.services.factors import revalidate as service
from countersign.services.factors.revalidation import Revalidated
from countersign.services.market.closes import Closes
from countersign.store.home import Home
from countersign.tasks.stage import stage_task


@stage_task()
def find_affected(home: Home, since: date, until: date) -> list[list[str]]:
    """List the factors measured on bars from `since` to `until`, in chunks."""
    return service.find_affected(home, since, until)


@stage_task()
def revalidate_chunk(home: Home, closes: Closes, factor_ids: Sequence[str]) -> list[Revalidated]:
    """Measure factors again, one after the other; each is committed by itself, and none keeps another out."""
    return service.revalidate_chunk(home, closes, factor_ids)
