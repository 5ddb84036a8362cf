"""Evaluation against its requirement and two peers: 10,000 strategies × 500 sessions.

The required figure is the cost of a session once its history is in arrays: every metric of every strategy as of the
newest session, and the rolling series of all of them. Beside it: every metric as of each of the sessions, which only a
replay needs; the day's stage from frames to frame; and the stage in a home, from reading NAV history to the committed
file. The peers compute their own metrics of the same names, strategy by strategy, as they are used: quantstats and
empyrical on a part of the strategies, scaled to all of them, which favours neither.
"""

import json
import os
import tempfile
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import sqlalchemy as sa

from bench.report import figure, peer_module, seconds
from countersign.domain.arrays import Floats
from countersign.domain.evaluation.kernel import WINDOW, measure, weigh
from countersign.domain.evaluation.metrics import (
    CARRIED_SCHEMA,
    NAV_SCHEMA,
    STRATEGIES_SCHEMA,
    TRADING_SCHEMA,
    VERDICTS_SCHEMA,
    evaluate,
    expected_maximum,
)
from countersign.domain.settlement.books import money
from countersign.models.datasets import BARS, NAV
from countersign.models.tables.settlement import Settlement
from countersign.services.evaluation.evaluate import SESSIONS_PER_BATCH, evaluate_sessions
from countersign.services.evaluation.evaluations import read_nav
from countersign.store.home import Home
from tests.support.settled import bars, commit, make_home, results, slugs, stage, weekdays

STRATEGIES, SESSIONS, OWNERS, RUNS = 10_000, 500, 500, 5
PEER_STRATEGIES, SLOW_PEER_STRATEGIES = 500, 50
CAPITAL = 1_000_000


class World(NamedTuple):
    """NAV in fen and benchmark returns, strategies × sessions; the returns that the peers take."""

    nav: Floats
    benchmark: Floats
    returns: Floats
    days: list[date]


def make_world(seed: int = 1) -> World:
    """A benchmark, and strategies that follow it with noise of their own; seeded."""
    rng = np.random.default_rng(seed)
    benchmark = rng.normal(2e-4, 0.01, SESSIONS)
    returns = benchmark + rng.normal(1e-4, 0.008, (STRATEGIES, SESSIONS))
    nav = np.round(100 * CAPITAL * np.cumprod(1 + returns, axis=1))
    before = np.column_stack((np.full(STRATEGIES, 100.0 * CAPITAL), nav[:, :-1]))
    wide = np.ascontiguousarray(np.broadcast_to(benchmark, nav.shape))
    return World(nav, wide, nav / before - 1, weekdays(SESSIONS, first=date(2023, 1, 2)))


def arrays_pass(world: World, since: int, end: int = SESSIONS) -> None:
    """Measure and weigh from arrays, as of the sessions from `since` up to `end`."""
    capital, owner = np.full(STRATEGIES, 100.0 * CAPITAL), np.arange(STRATEGIES, dtype=np.int32) % OWNERS
    figures = measure(world.nav[:, :end], world.benchmark[:, :end], capital, since)
    per_owner = STRATEGIES // OWNERS
    expected = np.array([expected_maximum(n) for n in range(per_owner + 1)])
    weigh(figures, owner, expected, np.full((OWNERS, end - since), per_owner))


def every_session(world: World) -> None:
    """Every metric as of each session, in the batches of a replay."""
    for since in range(0, SESSIONS, SESSIONS_PER_BATCH):
        arrays_pass(world, since, min(since + SESSIONS_PER_BATCH, SESSIONS))


def by_empyrical(empyrical: Any, world: World, count: int) -> Callable[[], None]:
    """The same figures by empyrical for the first strategies; of psr and the rest it knows nothing."""
    singles = ("cum_returns_final", "annual_return", "annual_volatility", "sharpe_ratio", "max_drawdown")
    functions = [getattr(empyrical, name) for name in (*singles, "calmar_ratio", "sortino_ratio")]

    def run() -> None:
        for returns, benchmark in zip(world.returns[:count], world.benchmark[:count], strict=True):
            for function in functions:
                function(returns)
            empyrical.cum_returns_final(benchmark)
            empyrical.excess_sharpe(returns, benchmark)
            windows = np.lib.stride_tricks.sliding_window_view(returns - benchmark, WINDOW)
            empyrical.sharpe_ratio(windows.T)

    return run


def by_quantstats(quantstats: Any, world: World, count: int) -> Callable[[], None]:
    """The same figures by quantstats for the first strategies; of deflated Sharpe ratios it knows nothing."""
    import pandas as pd  # noqa: PLC0415 - quantstats' own container, not needed without it

    stats, index = quantstats.stats, pd.DatetimeIndex(world.days)
    pairs = [
        (pd.Series(returns, index), pd.Series(benchmark, index))
        for returns, benchmark in zip(world.returns[:count], world.benchmark[:count], strict=True)
    ]
    names = ("comp", "cagr", "volatility", "sharpe", "max_drawdown", "calmar", "sortino", "probabilistic_sharpe_ratio")
    functions = [getattr(stats, name) for name in names]

    def run() -> None:
        for returns, benchmark in pairs:
            for function in functions:
                function(returns)
            stats.comp(benchmark)
            stats.sharpe(returns - benchmark)
            stats.rolling_sharpe(returns - benchmark, rolling_period=WINDOW)

    return run


def frames_of(world: World) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The world as frames: NAV history, and strategies."""
    names = pl.Series(slugs(STRATEGIES))
    nav = pl.DataFrame(
        {
            "strategy": names.gather(np.tile(np.arange(STRATEGIES), SESSIONS)),
            "session": pl.Series(world.days).gather(np.repeat(np.arange(SESSIONS), STRATEGIES)),
            "nav": world.nav.T.ravel().astype(np.int64),
            "benchmark_return": world.benchmark.T.ravel(),
        }
    ).with_columns(money(pl.col("nav")))
    owners = [f"owner-{n % OWNERS}" for n in range(STRATEGIES)]
    plain = {"initial_capital": CAPITAL, "opened": date(2022, 1, 1)}
    columns = (pl.lit(value).alias(name) for name, value in plain.items())
    strategies = pl.DataFrame({"strategy": names, "owner": owners}).with_columns(columns)
    return nav.cast(pl.Schema(NAV_SCHEMA)), strategies.cast(pl.Schema(STRATEGIES_SCHEMA))


def fill(home: Home, nav: pl.DataFrame, world: World) -> None:
    """Settle the world in a home: NAV of all sessions, and the newest with orders of 50 names a strategy."""
    symbols = [f"{600_000 + n}.SH" for n in range(50)]
    plain = results(world.days[-1], slugs(STRATEGIES), symbols, 0)
    cut = nav.partition_by("session", maintain_order=True)
    for session, rows in zip(world.days, cut, strict=True):
        own = plain["nav"].drop("session", "nav", "benchmark_return").join(rows, on="strategy")
        files = [home.lake.stage(NAV, session, own.select(*NAV.schema), run="0" * 16)]
        if session == world.days[-1]:
            files += stage(home, session, {"orders": plain["orders"], "bars": bars(session, symbols)})
        commit(home, session, files, STRATEGIES)
    inputs = {"bars_files": [file.path for file in home.lake.files(BARS)]}
    with home.ledger.write() as db:
        db.execute(sa.update(Settlement).values(manifest=json.dumps({"inputs": inputs})))


def peers(world: World) -> dict[str, list[float]]:
    """Seconds of each peer, on its part of the strategies, scaled to all."""
    warnings.simplefilter("ignore")
    taken = {}
    makers = (
        ("empyrical", "empyrical-reloaded", by_empyrical, PEER_STRATEGIES),
        ("quantstats", "quantstats", by_quantstats, SLOW_PEER_STRATEGIES),
    )
    for name, package, maker, count in makers:
        found = peer_module(name, package)
        if found:
            runs = seconds(maker(found[0], world, count), 3)
            taken[f"{found[1]}, {count} strategies, scaled"] = [run * STRATEGIES / count for run in runs]
    return taken


def main() -> None:
    """Print one JSON line a figure."""
    world = make_world()
    ours = seconds(lambda: arrays_pass(world, SESSIONS - 1), RUNS)
    for peer, runs in peers(world).items():
        figure("evaluation, all metrics", ours, "s", must=0.5, better="lower", peer=peer, peer_runs=runs)
    every = seconds(lambda: every_session(world), 3)
    figure("evaluation, all metrics as of each of 500 sessions", every, "s", must=None, better="lower")
    nav, strategies = frames_of(world)
    schemas = {"verdicts": VERDICTS_SCHEMA, "trading": TRADING_SCHEMA, "carried": CARRIED_SCHEMA}
    nothing = {name: pl.DataFrame(schema=schema) for name, schema in schemas.items()}
    frames = seconds(lambda: evaluate(nav, world.days[-1], strategies=strategies, **nothing), RUNS)
    figure("evaluation, a session from frames to frames", frames, "s", must=None, better="lower")
    with tempfile.TemporaryDirectory(dir=os.environ.get("COUNTERSIGN_BENCH_FOLDER")) as folder:
        home = make_home(Path(folder), STRATEGIES)
        fill(home, nav, world)
        history = seconds(lambda: read_nav(home.lake, world.days[-1]), 3)
        figure("evaluation, reading the NAV history of a home", history, "s", must=None, better="lower")
        whole = seconds(lambda: evaluate_sessions(home, [world.days[-1]]), 3)
        figure("evaluation, the day's stage in a home", whole, "s", must=None, better="lower")


if __name__ == "__main__":
    main()
