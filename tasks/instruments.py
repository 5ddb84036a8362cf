"""Instrument tasks: import instruments from a file, and from the provider of the market, once a session."""

from datetime import date, datetime

from countersign.services.market import instrument_imports as service
from countersign.sources.market.providers import MarketProvider
from countersign.store.home import Home
from countersign.tasks.stage import stage_task


@stage_task(task_run_name="ingest instruments {session}")
def ingest_instruments(home: Home, provider: MarketProvider, session: date, now: datetime) -> int:
    """Fetch the provider's instruments unless that was done with this session or a later one; return how many
    changed.
    """
    return service.ingest_instruments(home, provider, session, now)
