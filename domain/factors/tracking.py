"""Factor tracking: the out-of-sample IC of every active factor, a session at a time.

Pure. One call takes all factors of a session, so that a thousand cost little more than one.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from countersign.domain.checks import refuse, require
from countersign.domain.factors.panel import (
    CLOSES_SCHEMA,
    check_values,
    correlations,
    make_panel,
    name_codes,
    names_in,
    rank_panel,
    session_returns,
    spread,
)
from countersign.models.datasets import ColumnType
from countersign.models.errors import InputError

TRACKED_SCHEMA: dict[str, ColumnType] = {
    "factor": pl.String,
    "session": pl.Date,
    "ic": pl.Float64,
    "in_time": pl.Boolean,
}
WINDOWS = (30, 60, 120)
LEAST_SESSIONS = 10


def forward_returns(session: date, closes: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
    """Return r of a session, symbol and forward_return: adjusted close two sessions later / one later − 1.

    `closes` (session, symbol, close) hold at least those two sessions, `sessions` are the calendar, ascending. A symbol
    without both closes is left out; none is there while the calendar or the closes end before the second.
    """
    require("closes", closes, CLOSES_SCHEMA)
    if session not in sessions:
        raise InputError("session", "a session of the calendar", session)
    place = sessions.index(session)
    pair = sessions[place + 1 : place + 3]
    symbols = names_in("closes", closes)
    returns = session_returns(make_panel(closes.rename({"close": "value"}), pair, symbols, "closes"))
    last = returns[-1] if len(pair) == 2 else np.full(symbols.len(), np.nan)
    return pl.DataFrame({"symbol": symbols, "forward_return": last}).filter(pl.col("forward_return").is_not_nan())


def track(session: date, values: pl.DataFrame, returns: pl.DataFrame) -> pl.DataFrame:
    """IC of every factor with values at a session: factor (ascending), session, ic, symbols.

    `values` are factor, symbol, value; `returns` symbol, forward_return (see `forward_returns`). `symbols` counts those
    with both; the IC is null where they are fewer than 10 or either side is constant. Raises InputError for values that
    are not finite numbers or are there twice.
    """
    check_values("values", values, {"value": pl.Float64})
    require("returns", returns, {"forward_return": pl.Float64})
    factors, symbols = names_in("values", values, "factor"), names_in("values", values)
    rows = name_codes(values["factor"], factors)
    ranks = rank_panel(spread("values", values, rows, factors.len(), symbols), (session,), symbols)
    forward = returns.select("symbol", session=pl.lit(session), value="forward_return")
    return_ranks = rank_panel(make_panel(forward, (session,), symbols, "returns"), (session,), symbols)
    ic, pairs = correlations(ranks, return_ranks, np.zeros(factors.len(), np.int32))
    return pl.DataFrame(
        {"factor": factors, "session": pl.repeat(session, factors.len(), eager=True), "ic": ic, "symbols": pairs}
    ).with_columns(pl.col("ic").fill_nan(None))


def os_means(tracked: pl.DataFrame, activated: pl.DataFrame) -> pl.DataFrame:
    """Mean out-of-sample IC by factor: factor (ascending), ic_mean_30d, ic_mean_60d, ic_mean_120d, late.

    `tracked` are factor, session, ic, in_time: whether the values were uploaded before the close of the next session,
    the first price of the return. `activated` are factor, activated (Date), a row each; only later sessions count. The
    means are over the last 30, 60 and 120 sessions that were in time and have an IC, null with fewer than 10; `late`
    counts the sessions that were not in time. Every activated factor has a row.
    """
    require("tracked", tracked, TRACKED_SCHEMA)
    require("activated", activated, {"factor": pl.String, "activated": pl.Date})
    refuse("tracked", "one row a factor and session", tracked, pl.struct("factor", "session").is_duplicated())
    after = activated.join(tracked, on="factor", validate="1:m").filter(pl.col("session") > pl.col("activated"))
    counted = pl.col("ic").filter(pl.col("in_time") & pl.col("ic").is_not_null())
    means = (
        after.sort("session")
        .group_by("factor")
        .agg(
            *(
                pl.when(counted.len() >= LEAST_SESSIONS).then(counted.tail(window).mean()).alias(f"ic_mean_{window}d")
                for window in WINDOWS
            ),
            late=pl.col("in_time").not_().sum(),
        )
    )
    joined = activated.select("factor").join(means, on="factor", how="left", validate="1:1")
    return joined.with_columns(pl.col("late").fill_null(0)).sort("factor")
