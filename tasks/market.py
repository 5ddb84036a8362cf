"""Market tasks: market data from files, from the sample, from a provider."""

from datetime import date, datetime
from typing import Any

from countersign.models.errors import SourceBusy
from countersign.services.market import imports as service
from countersign.services.market.imports import Imported
from countersign.sources.market.providers import MarketProvider
from countersign.store.home import Home
from countersign.tasks.stage import stage_task


def _is_busy(_task: object, _run: object, state: Any) -> bool:
    """Retry a busy source; a refusal stays one."""
    return isinstance(state.result(raise_on_failure=False), SourceBusy)


@stage_task(
    retries=5,
    retry_delay_seconds=[30, 120, 300, 600, 900],
    retry_condition_fn=_is_busy,
    task_run_name="ingest {session}",
)
def ingest(home: Home, provider: MarketProvider, session: date, now: datetime) -> list[Imported]:
    """Fetch a closed session's index levels and bars and make them count together."""
    return service.ingest(home, provider, session, now)
