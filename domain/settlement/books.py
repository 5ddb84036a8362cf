"""Books: the terms, cash, positions and signals of many strategies, between frames and arrays.

Pure. Strategies and symbols become codes, their places in an ascending series of names, so that the order of codes is
the order of names; money becomes integer fen.
"""

from datetime import date
from decimal import Decimal

import numpy as np
import polars as pl

from countersign.domain.arrays import Accounts, Codes, Floats, Holdings, Integers, Signals
from countersign.domain.checks import Rule, forbid, repeated, require
from countersign.models.datasets import MONEY, NAV, POSITIONS, TERMS, ColumnType
from countersign.models.enums import ExecutionPrice
from countersign.models.errors import InputError

TERMS_SCHEMA: dict[str, ColumnType] = {"strategy": pl.String, **TERMS, "paused": pl.Boolean}
SIGNALS_SCHEMA: dict[str, ColumnType] = {"strategy": pl.String, "symbol": pl.String, "weight": pl.Float64}
BENCHMARKS_SCHEMA: dict[str, ColumnType] = {"universe": pl.String, "benchmark_return": pl.Float64}


_RATES = ("commission_rate", "slippage_rate")
_TERMS = (
    Rule("terms", "terms", "one row a strategy", repeated("strategy")),
    Rule("books", "books", "one row a strategy", repeated("strategy")),
    Rule("terms", "terms", "no null", pl.any_horizontal(pl.col(*TERMS_SCHEMA).is_null())),
    Rule("terms", "terms.execution_price", "open or close", ~pl.col("execution_price").is_in(list(ExecutionPrice))),
    Rule("terms", "terms.initial_capital", "above 0", pl.col("initial_capital") <= 0),
    *(
        Rule("terms", f"terms.{rate}", "at least 0 and below 1", ~((pl.col(rate) >= 0) & (pl.col(rate) < 1)))
        for rate in _RATES
    ),
)
_SANE = pl.all_horizontal(
    ((pl.col(name) >= 0) & pl.col(name).is_finite()).fill_null(value=False) for name in ("quantity", "close")
)
_NUMBERS = (
    Rule("books", "books", "cash of 0 or more", (pl.col("cash") < 0).fill_null(value=True)),
    Rule("holdings", "holdings", "a quantity above 0 and a close", ~_SANE | (pl.col("quantity") == 0)),
    Rule(
        "signals",
        "signals.weight",
        "0 to 1",
        ~((pl.col("weight") >= 0) & (pl.col("weight") <= 1)).fill_null(value=False),
    ),
)


def check_strategies(
    session: date, *, terms: pl.DataFrame, books: pl.DataFrame, holdings: pl.DataFrame, signals: pl.DataFrame
) -> None:
    """Refuse terms, state and signals that cannot be settled; duplicate symbols are found by `arrays_of`."""
    frames = {"terms": terms, "books": books, "holdings": holdings, "signals": signals}
    schemas = {"terms": TERMS_SCHEMA, "books": NAV.schema, "holdings": POSITIONS.schema, "signals": SIGNALS_SCHEMA}
    for field, frame in frames.items():
        require(field, frame, schemas[field])
    before = (
        Rule(name, name, f"state of a session before {session}", pl.col("session") >= session)
        for name in ("books", "holdings")
    )
    unknown = ~pl.col("strategy").is_in(terms["strategy"].implode())
    bookless = ~pl.col("strategy").is_in(books["strategy"].implode())
    owners = (
        Rule("signals", "signals", "strategies of terms only", unknown.fill_null(value=True)),
        Rule("holdings", "holdings", "a row in books for their strategy", ~unknown & bookless),
    )
    forbid(frames, (*_TERMS, *before, *_NUMBERS, *owners))


def check_benchmarks(benchmarks: pl.DataFrame) -> None:
    """Refuse two returns of one universe."""
    require("benchmarks", benchmarks, BENCHMARKS_SCHEMA)
    rule = Rule("benchmarks", "benchmarks", "one row a universe", repeated("universe"))
    forbid({"benchmarks": benchmarks}, [rule])


def codes(column: pl.Series, names: pl.Series) -> Codes:
    """The place of every value in `names`, which holds them all."""
    return column.cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int32)


def fen_of(column: pl.Series) -> Integers:
    """Money in DECIMAL(18,2) CNY as integer fen, exactly."""
    return column.cast(MONEY).to_physical().cast(pl.Int64).to_numpy()


def money(fen: pl.Expr) -> pl.Expr:
    """Integer fen as DECIMAL(18,2) CNY, exactly."""
    return (fen.cast(pl.Decimal(18, 0)) * pl.lit(Decimal("0.01"))).cast(MONEY)


def coded_rows(
    field: str, frame: pl.DataFrame, strategies: pl.Series, symbols: pl.Series
) -> tuple[Codes, Codes, pl.DataFrame]:
    """Codes of the rows' strategies and symbols, and the rows, all ascending; InputError if a pair is there twice."""
    strategy, symbol = codes(frame["strategy"], strategies), codes(frame["symbol"], symbols)
    key = strategy.astype(np.int64) * symbols.len() + symbol
    if not (np.diff(key) > 0).all():
        order = np.argsort(key, kind="stable")
        repeated = np.flatnonzero(np.diff(key[order]) == 0)
        if repeated.size:
            raise InputError(field, "one row a strategy and symbol", frame.row(int(order[repeated[0]])))
        strategy, symbol, frame = strategy[order], symbol[order], frame[order]
    return strategy, symbol, frame


def offsets(strategy: Codes, count: int) -> Integers:
    """Offsets of each strategy's first row, and after them the number of rows."""
    return np.searchsorted(strategy, np.arange(count + 1)).astype(np.int64)


def _floats(column: pl.Series) -> Floats:
    """A writable array of its own; null becomes nan."""
    return np.array(column.to_numpy())


def arrays_of(
    terms: pl.DataFrame, books: pl.DataFrame, holdings: pl.DataFrame, signals: pl.DataFrame, symbols: pl.Series
) -> tuple[Accounts, Holdings, Signals]:
    """Arrays of the frames, for the kernel. `terms` is sorted by strategy and has every strategy of the other frames.

    A strategy without a book starts with its initial capital. Zero weights are left out, though the strategy counts as
    signalled.
    """
    strategies = terms["strategy"]
    owner, held, holdings = coded_rows("holdings", holdings, strategies, symbols)
    signaller, wished, signals = coded_rows("signals", signals, strategies, symbols)
    count = strategies.len()
    signalled = np.zeros(count, np.bool_)
    signalled[signaller] = True
    weight = _floats(signals["weight"])
    signaller, wished, weight = signaller[weight > 0], wished[weight > 0], weight[weight > 0]
    cash = terms["initial_capital"].to_numpy() * 100
    since = np.full(count, -1, np.int32)
    place = codes(books["strategy"], strategies)
    cash[place] = fen_of(books["cash"])
    since[place] = np.nan_to_num(books["since_rebalance"].to_numpy(), nan=-1)
    accounts = Accounts(
        cash=cash,
        since=since,
        holding_period=np.array(terms["holding_period"]),
        at_close=np.array(terms["execution_price"] == ExecutionPrice.CLOSE),
        commission_rate=_floats(terms["commission_rate"]),
        slippage_rate=_floats(terms["slippage_rate"]),
        paused=np.array(terms["paused"]),
        signalled=signalled,
        first_holding=offsets(owner, count),
        first_signal=offsets(signaller, count),
    )
    quantity, close, factor = (_floats(holdings[name]) for name in ("quantity", "close", "adj_factor"))
    value = np.zeros(owner.size, np.int64)
    owner, held = np.array(owner, np.int32), np.array(held, np.int32)
    return accounts, Holdings(owner, held, quantity, close, factor, value), Signals(np.array(wished, np.int32), weight)
