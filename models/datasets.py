"""Datasets of the lake: the columns of their Parquet files, in order, with units.

Money is DECIMAL(18,2) in CNY, prices are CNY for one share, quantities are shares (fractional only after a corporate
action), returns are fractions (0.01 is one per cent). Every file holds one session, or many rows of one series, sorted
by its `sort` columns, which are also unique within it.
"""

from dataclasses import dataclass

import polars as pl
from polars.datatypes import DataType, DataTypeClass

MONEY = pl.Decimal(18, 2)

ColumnType = DataType | DataTypeClass


@dataclass(frozen=True)
class Dataset:
    """A dataset of the lake: its folder's name, its columns in order, and the unique sort key within a file.

    `series` names the folders of its series, `<series>=<name>/`; without it files are by session alone.
    """

    name: str
    schema: dict[str, ColumnType]
    sort: tuple[str, ...]
    series: str | None = None


BARS = Dataset(
    "bars",
    {
        "symbol": pl.String,
        "session": pl.Date,
        "open": pl.Float64,
        "high": pl.Float64,
        "low": pl.Float64,
        "close": pl.Float64,
        "volume": pl.Float64,
        "amount": pl.Float64,
        "adj_factor": pl.Float64,
        "suspended": pl.Boolean,
        "limit_up": pl.Float64,
        "limit_down": pl.Float64,
        "is_st": pl.Boolean,
    },
    ("symbol",),
)

INDEX_LEVELS = Dataset(
    "index_levels",
    {"index": pl.String, "session": pl.Date, "close": pl.Float64},
    ("index",),
)

ORDERS = Dataset(
    "orders",
    {
        "strategy": pl.String,
        "session": pl.Date,
        "symbol": pl.String,
        "side": pl.String,
        "wanted": pl.Float64,
        "filled": pl.Float64,
        "price": pl.Float64,
        "notional": MONEY,
        "commission": MONEY,
        "stamp_duty": MONEY,
        "reason": pl.String,
    },
    ("strategy", "symbol"),
)

POSITIONS = Dataset(
    "positions",
    {
        "strategy": pl.String,
        "session": pl.Date,
        "symbol": pl.String,
        "quantity": pl.Float64,
        "close": pl.Float64,
        "market_value": MONEY,
        # The highest adjustment factor seen since the position was opened; null: adopt the next one that is seen.
        "adj_factor": pl.Float64,
    },
    ("strategy", "symbol"),
)

NAV = Dataset(
    "nav",
    {
        "strategy": pl.String,
        "session": pl.Date,
        "nav": MONEY,
        "cash": MONEY,
        "daily_return": pl.Float64,
        "cumulative_return": pl.Float64,
        "benchmark_return": pl.Float64,
        "event": pl.String,
        "detail": pl.String,
        # Sessions since the last rebalance: 0 on the day itself, null before the first.
        "since_rebalance": pl.Int32,
    },
    ("strategy",),
)

# Every revision of every signal of a settled session, a row a symbol. `margin_seconds` is from receipt to deadline.
SIGNALS = Dataset(
    "signals",
    {
        "strategy": pl.String,
        "session": pl.Date,
        "revision": pl.Int32,
        "symbol": pl.String,
        "weight": pl.Float64,
        "received_at": pl.Datetime("us", "UTC"),
        "margin_seconds": pl.Float64,
        "signal_hash": pl.String,
    },
    ("strategy", "revision", "symbol"),
)

# The newest bar of every symbol seen so far, which decides price limits and the first sight of a symbol. Derived from
# the bars; kept so that settling a session costs the same after ten years as on the first day.
MARKS = Dataset(
    "marks",
    {
        "symbol": pl.String,
        "session": pl.Date,
        "bar_session": pl.Date,
        "close": pl.Float64,
        "adj_factor": pl.Float64,
    },
    ("symbol",),
)

# The terms a strategy is settled by, in no file of their own: columns of each table of strategies.
TERMS: dict[str, ColumnType] = {
    "universe": pl.String,
    "execution_price": pl.String,
    "holding_period": pl.Int32,
    "initial_capital": pl.Int64,
    "commission_rate": pl.Float64,
    "slippage_rate": pl.Float64,
}

# Every metric of every strategy with a NAV in the session, by its whole history up to there. Null: undefined. The parts
# of the score are points, and add up to it.
EVALUATIONS = Dataset(
    "evaluations",
    {
        "strategy": pl.String,
        "session": pl.Date,
        "sessions": pl.Int32,
        "total_return": pl.Float64,
        "annual_return": pl.Float64,
        "volatility": pl.Float64,
        "sharpe": pl.Float64,
        "max_drawdown": pl.Float64,
        "calmar": pl.Float64,
        "benchmark_return": pl.Float64,
        "excess_return": pl.Float64,
        "excess_sharpe": pl.Float64,
        "rolling_excess_sharpe": pl.Float64,
        "sortino": pl.Float64,
        "turnover": pl.Float64,
        "cost": pl.Float64,
        "psr": pl.Float64,
        "deflated_sharpe": pl.Float64,
        "trials": pl.Int32,
        "min_track_record": pl.Int64,
        "score": pl.Float64,
        "score_psr": pl.Float64,
        "score_excess": pl.Float64,
        "score_drawdown": pl.Float64,
        "score_length": pl.Float64,
        "score_claim": pl.Float64,
        # Sums so far, which the next session goes on from: orders are read once, however long the history is.
        "traded": pl.Float64,
        "costs": MONEY,
    },
    ("strategy",),
)

# Values as they were uploaded, the newest of each session: a factor's files never have a session in common.
FACTOR_VALUES = Dataset(
    "factor_values",
    {"factor": pl.String, "session": pl.Date, "symbol": pl.String, "value": pl.Float64},
    ("session", "symbol"),
    series="factor",
)

# In sample one file a factor, as validation measured it; out of sample one file a session, of all factors. `ic` and
# `ls_return` are null where a session does not count; `symbols` have both a value and a return.
FACTOR_IC = Dataset(
    "factor_ic",
    {
        "factor": pl.String,
        "session": pl.Date,
        "ic": pl.Float64,
        "symbols": pl.Int32,
        "ls_return": pl.Float64,
        "phase": pl.String,
    },
    ("factor", "session"),
    series="factor",
)

# Bars of a crypto pair on one exchange, one file a month of a series such as binance-BTC-USDT-15m. Times are UTC,
# prices in the quote currency; volume is in the unit of the source.
KLINES = Dataset(
    "klines",
    {
        "opened_at": pl.Datetime("us", "UTC"),
        "open": pl.Float64,
        "high": pl.Float64,
        "low": pl.Float64,
        "close": pl.Float64,
        "volume": pl.Float64,
    },
    ("opened_at",),
    series="pair",
)

ALL = (BARS, INDEX_LEVELS, SIGNALS, ORDERS, POSITIONS, NAV, MARKS, EVALUATIONS, FACTOR_VALUES, FACTOR_IC, KLINES)
DATASETS = {each.name: each for each in ALL}
