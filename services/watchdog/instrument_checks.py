"""Instrument checks of the watchdog: delisted holdings without a value stay in the NAV at their last close."""

from datetime import date

import polars as pl

from countersign.models.datasets import POSITIONS
from countersign.models.errors import StoreError
from countersign.models.problems import WatchdogProblem
from countersign.services.market.instruments import delisted_without_value
from countersign.store.home import Home

MOST_NAMED = 10
COMMAND = "countersign market import-instruments"


def delisted_holdings(home: Home, session: date) -> list[WatchdogProblem]:
    """Symbols that are delisted, have no value, and are in the newest positions, with how many strategies hold each.

    A warning, which fails nothing: the operator has to find out their value.
    """
    with home.ledger.read() as db:
        symbols = delisted_without_value(db, session)
    if not symbols:
        return []
    newest = max(home.lake.sessions(POSITIONS, through=session), default=session)
    try:
        held = home.lake.scan(POSITIONS, newest, newest).filter(pl.col("symbol").is_in(symbols))
        counts = held.group_by("symbol").len().sort("symbol").collect().rows()
    except (StoreError, pl.exceptions.PolarsError):
        return []  # a file that is damaged is a problem of its own
    if not counts:
        return []
    named = ", ".join(f"{symbol} ({count} strategies)" for symbol, count in counts[:MOST_NAMED])
    more = f" and {len(counts) - MOST_NAMED} more" if len(counts) > MOST_NAMED else ""
    text = f"delisted holdings without a value: {named}{more}; enter one with `{COMMAND}`"
    return [WatchdogProblem("delisted without a value", "holdings", text, warning=True)]
