"""Settlement against its requirement and two peers: 10,000 strategies of 50 names over 20 sessions, all rules on.

Every strategy rebalances in every session, into 50 of its pool of 60 names with new weights. The engine runs as the
product runs it, chunks of strategies on two threads, with its state kept in arrays from session to session; the figure
on frames is one session from frames to frames on one thread. The peers are given the same opens, weights and costs of
the first strategies, as they are: without limits, suspensions, corporate actions, STAR lots, or duty.
"""

import resource
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from bench.report import figure, peer_module, seconds
from countersign.domain.arrays import Accounts, Flags, Floats, Holdings, Signals
from countersign.domain.market.quotes import quotes
from countersign.domain.settlement.books import BENCHMARKS_SCHEMA, SIGNALS_SCHEMA, offsets
from countersign.domain.settlement.engine import settle
from countersign.domain.settlement.kernel import settle_arrays
from countersign.domain.settlement.marks import next_marks
from countersign.models.datasets import BARS, MARKS, NAV, POSITIONS

STRATEGIES, NAMES, POOL, SESSIONS, CHUNKS, THREADS, RUNS = 10_000, 50, 60, 20, 4, 2, 5
PEER_STRATEGIES = 20
CAPITAL, COMMISSION, SLIPPAGE = 1_000_000, 0.0003, 0.002


class Day(NamedTuple):
    """One generated session: bars, corporate actions, and the weights (strategies × pool, 0 for the ten left out)."""

    session: date
    bars: pl.DataFrame
    actions: pl.DataFrame
    weights: Floats


class World(NamedTuple):
    """Generated sessions; `pool` holds the symbol codes of every strategy's 60 names, ascending."""

    symbols: pl.Series
    pool: np.ndarray[Any, np.dtype[np.int32]]
    days: list[Day]


def make_world(seed: int = 1) -> World:
    """A market of 5,400 symbols of all boards, and the signals of every strategy."""
    rng = np.random.default_rng(seed)
    codes = [(600000, 2000, "SH"), (1, 1900, "SZ"), (300001, 800, "SZ"), (688001, 500, "SH"), (920001, 100, "BJ")]
    codes.append((510001, 100, "SH"))
    symbols = pl.Series(sorted(f"{first + i:06}.{where}" for first, count, where in codes for i in range(count)))
    start, step = rng.integers(0, symbols.len(), STRATEGIES), rng.integers(1, 89, STRATEGIES)
    pool = (start[:, None] + step[:, None] * np.arange(POOL)) % symbols.len()
    pool = np.sort(pool, axis=1).astype(np.int32)
    close, factor = np.round(rng.uniform(3, 60, symbols.len()), 2), np.ones(symbols.len())
    session, days = date(2025, 1, 2), []
    for _ in range(SESSIONS):
        bars, actions, close, factor = make_bars(rng, session, symbols, close, factor)
        weights = rng.uniform(0.5, 1.5, (STRATEGIES, POOL))
        weights[rng.permuted(np.tile(np.arange(POOL) >= NAMES, (STRATEGIES, 1)), axis=1)] = 0.0
        days.append(Day(session, bars, actions, weights / weights.sum(axis=1, keepdims=True)))
        session += timedelta(days=1)
    return World(symbols, pool, days)


def make_bars(
    rng: np.random.Generator, session: date, symbols: pl.Series, before: Floats, factor: Floats
) -> tuple[pl.DataFrame, pl.DataFrame, Floats, Floats]:
    """Bars of one session: 2 % suspended, 1 % at a limit, 1 % of ex-dates, half of them on record."""
    count = symbols.len()
    bonus: Flags = rng.random(count) < 0.01
    factor = np.where(bonus, factor * 1.2, factor)
    before = np.where(bonus, before / 1.2, before)
    move = np.clip(rng.normal(0, 0.01, count), -0.05, 0.05)
    move = np.where(rng.random(count) < 0.01, rng.choice([-0.3, 0.3], count), move)
    opened = np.maximum(np.round(before * (1 + move), 2), 0.01)
    close = np.maximum(np.round(opened * (1 + np.clip(rng.normal(0, 0.01, count), -0.05, 0.05)), 2), 0.01)
    idle = rng.random(count) < 0.02
    close = np.where(np.abs(move) > 0.2, opened / (1 + move), close)
    bars = pl.DataFrame(
        {
            "symbol": symbols,
            "session": pl.repeat(session, count, dtype=pl.Date, eager=True),
            "open": opened,
            "high": np.maximum(opened, close),
            "low": np.minimum(opened, close),
            "close": close,
            "volume": np.where(idle, 0.0, 1e6),
            "amount": np.where(idle, 0.0, 1e7),
            "adj_factor": factor,
            "suspended": idle,
            "limit_up": pl.repeat(None, count, dtype=pl.Float64, eager=True),
            "limit_down": pl.repeat(None, count, dtype=pl.Float64, eager=True),
            "is_st": pl.repeat(None, count, dtype=pl.Boolean, eager=True),
        },
        schema=BARS.schema,
    )
    recorded = symbols.filter(pl.Series(bonus & (np.arange(count) % 2 == 0)))
    actions = recorded.alias("symbol").to_frame().with_columns(cash=pl.lit(0.0), bonus=pl.lit(0.2))
    return bars, actions, close, factor


def wished(world: World, day: Day, first: int, last: int) -> Signals:
    """Signals of the strategies from `first` to `last`: 50 rows each."""
    weights, pool = day.weights[first:last], world.pool[first:last]
    return Signals(pool[weights > 0], weights[weights > 0])


class Chunk:
    """Strategies that are settled together, their state in arrays."""

    def __init__(self, world: World, first: int, last: int) -> None:
        count = last - first
        self.signals = [wished(world, day, first, last) for day in world.days]
        self.holdings = Holdings.room(0)
        self.accounts = Accounts(
            cash=np.full(count, CAPITAL * 100),
            since=np.full(count, -1, np.int32),
            holding_period=np.ones(count, np.int32),
            at_close=np.zeros(count, np.bool_),
            commission_rate=np.full(count, COMMISSION),
            slippage_rate=np.full(count, SLIPPAGE),
            paused=np.zeros(count, np.bool_),
            signalled=np.ones(count, np.bool_),
            first_holding=np.zeros(count + 1, np.int64),
            first_signal=np.arange(count + 1) * NAMES,
        )

    def settle_all(self, market: list[Any]) -> int:
        """Settle every session; the final NAV of all strategies in fen."""
        accounts, holdings, nav = self.accounts, self.holdings, 0
        for day, signals in zip(market, self.signals, strict=True):
            _, holdings, results = settle_arrays(day, accounts, holdings, signals)
            first_holding = offsets(holdings.strategy, results.cash.size)
            accounts = accounts._replace(cash=results.cash, since=results.since, first_holding=first_holding)
            nav = int(results.nav.sum())
        return nav


def engine(world: World, chunks: list[Chunk]) -> int:
    """All sessions of all chunks on threads; quotes are made once a session."""
    marks, market = pl.DataFrame(schema=MARKS.schema), []
    for day in world.days:
        market.append(quotes(day.session, world.symbols, day.bars, marks, day.actions))
        marks = next_marks(day.session, marks, day.bars)
    with ThreadPoolExecutor(THREADS) as threads:
        return sum(threads.map(lambda chunk: chunk.settle_all(market), chunks))


def frames_session(world: World) -> Any:
    """Settling the second session of all strategies, from frames to frames on this thread."""
    names = pl.Series([f"strategy-{i:05}" for i in range(STRATEGIES)])
    terms = (
        names.alias("strategy")
        .to_frame()
        .with_columns(
            universe=pl.lit("hs300"),
            execution_price=pl.lit("open"),
            holding_period=pl.lit(1, pl.Int32),
            initial_capital=pl.lit(CAPITAL, pl.Int64),
            commission_rate=pl.lit(COMMISSION),
            slippage_rate=pl.lit(SLIPPAGE),
            paused=pl.lit(value=False),
        )
    )
    nothing: dict[str, Any] = {
        "books": pl.DataFrame(schema=NAV.schema),
        "holdings": pl.DataFrame(schema=POSITIONS.schema),
    }
    inputs: list[dict[str, Any]] = []
    for day in world.days[:2]:
        wish = wished(world, day, 0, STRATEGIES)
        owner = names.gather(np.repeat(np.arange(STRATEGIES), NAMES))
        columns = {"strategy": owner, "symbol": world.symbols.gather(pl.Series(wish.symbol)), "weight": wish.weight}
        inputs.append(
            {
                "terms": terms,
                "signals": pl.DataFrame(columns, schema=SIGNALS_SCHEMA),
                "bars": day.bars,
                "actions": day.actions,
                "benchmarks": pl.DataFrame(schema=BENCHMARKS_SCHEMA),
            }
        )
    first, second = world.days[:2]
    marks = pl.DataFrame(schema=MARKS.schema)
    settled = settle(first.session, **inputs[0], **nothing, marks=marks)
    state: dict[str, Any] = {
        "books": settled.nav,
        "holdings": settled.positions,
        "marks": next_marks(first.session, marks, first.bars),
    }
    return lambda: settle(second.session, **inputs[1], **state)


def prices(world: World, column: str) -> Floats:
    """A column of the bars, sessions × symbols."""
    return np.stack([day.bars[column].to_numpy() for day in world.days])


def vectorbt_run(vectorbt: Any, world: World) -> Any:
    """The first strategies in one vectorbt portfolio: target weights at the opens, cash shared within a strategy."""
    columns = world.pool[:PEER_STRATEGIES].ravel()
    weights = np.stack([day.weights[:PEER_STRATEGIES].ravel() for day in world.days])
    opened, close = prices(world, "open")[:, columns], prices(world, "close")[:, columns]
    groups = np.repeat(np.arange(PEER_STRATEGIES), POOL)
    return lambda: vectorbt.Portfolio.from_orders(
        close,
        weights,
        size_type="targetpercent",
        price=opened,
        val_price=opened,
        fees=COMMISSION,
        slippage=SLIPPAGE,
        size_granularity=100,
        init_cash=CAPITAL,
        group_by=groups,
        cash_sharing=True,
        call_seq="auto",
    ).value()


def bt_run(bt: Any, world: World) -> Any:
    """The first strategy in bt, which knows one price a session: the open; slippage is a cost."""
    import pandas as pd  # noqa: PLC0415 - bt's own container, not needed without it

    names, index = [f"c{i}" for i in range(POOL)], pd.DatetimeIndex([day.session for day in world.days])
    opened = pd.DataFrame(prices(world, "open")[:, world.pool[0]], index, names)
    weights = pd.DataFrame(np.stack([day.weights[0] for day in world.days]), index, names)

    def run() -> Any:
        strategy = bt.Strategy("s", [bt.algos.WeighTarget(weights), bt.algos.Rebalance()])
        costs = COMMISSION + SLIPPAGE
        test = bt.Backtest(
            strategy, opened, initial_capital=CAPITAL, commissions=lambda q, p: abs(q) * p * costs, progress_bar=False
        )
        test.run()
        return test.strategy.values

    return run


def main() -> None:
    """Engine first, so that its peak memory is its own; then frames, then the peers on the same world."""
    world = make_world()
    size = STRATEGIES // CHUNKS
    chunks = [Chunk(world, first, first + size) for first in range(0, STRATEGIES, size)]
    rates = [STRATEGIES * SESSIONS / run for run in seconds(lambda: engine(world, chunks), RUNS)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    unit = "strategy-sessions/s"
    vectorbt, bt = peer_module("vectorbt"), peer_module("bt")
    many = (
        [PEER_STRATEGIES * SESSIONS / run for run in seconds(vectorbt_run(vectorbt[0], world), RUNS)]
        if vectorbt
        else None
    )
    one = [SESSIONS / run for run in seconds(bt_run(bt[0], world), RUNS)] if bt else None
    label = f"{vectorbt[1]}, {PEER_STRATEGIES} strategies at once" if vectorbt else None
    figure("settlement engine", rates, unit, must=100_000, better="higher", peer=label, peer_runs=many)
    label = f"{bt[1]}, one strategy" if bt else None
    figure("settlement engine, one by one", rates, unit, must=100_000, better="higher", peer=label, peer_runs=one)
    figure("settlement engine, peak memory", [peak], "MiB", must=2048, better="lower")
    figure(
        "settlement, a session from frames to frames", seconds(frames_session(world), RUNS), "s", must=1, better="lower"
    )


if __name__ == "__main__":
    main()
