"""A small platform in full swing: a sample market, ten strategies, their signals and their changes of mind.

Requests to a home, and their expected results: `expected` calls the engine itself, session by session, on frames of its
own, and never looks into a ledger or a lake.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

from countersign.domain.market.simulation import SampleMarket, simulate
from countersign.domain.sessions import deadline
from countersign.domain.settlement.engine import Settled, settle
from countersign.models.datasets import BARS, INDEX_LEVELS, MARKS
from countersign.models.enums import ExecutionPrice, StrategyStatus, Universe
from countersign.models.tables.market import CorporateAction
from countersign.store.home import Home
from countersign.store.market import stage_sessions, upsert
from countersign.store.sessions import load_sessions
from tests.support import frames
from tests.support.strategies import move, open_strategies, send

SYMBOLS, SEED, HISTORY = 40, 11, 24
FIRST, SESSIONS = date(2025, 3, 3), 5
LATER = 2  # sessions that have bars and no signals

Weights = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Trading:
    """The market and the strategies' deeds in the sessions traded; `weights` are the portfolios that count.

    s02 is paused before the third session, having signalled for it, and goes on in the fifth. s03 signals ahead for the
    fifth session and retires in the evening of the third. s07 begins in the fourth, s08 never does.
    """

    market: SampleMarket
    sessions: tuple[date, ...]
    terms: dict[str, dict[str, Any]]
    weights: tuple[Weights, ...]


@cache
def trading() -> Trading:
    """Draw it; the seed decides everything."""
    days = load_sessions(Path()).days
    start = days.index(FIRST)
    market = simulate(SYMBOLS, days[start - HISTORY : start + SESSIONS + LATER], SEED)
    rng = Random(SEED)
    terms = {f"s{n:02}": _terms(rng) for n in range(10)}
    symbols = market.bars["symbol"].unique().sort().to_list()
    absent = {"s02": {3}, "s03": {3, 4}, "s07": {0, 1, 2}, "s08": {0, 1, 2, 3, 4}}
    present = {"s00": range(5), "s01": range(5), "s02": {0, 2, 4}, "s03": {0, 2}, "s07": {3}}
    weights = tuple(
        {
            slug: _weights(rng, symbols)
            for slug in terms
            if n not in absent.get(slug, ()) and (n in present.get(slug, ()) or rng.random() < 0.7)
        }
        for n in range(SESSIONS)
    )
    return Trading(market, days[start : start + SESSIONS], terms, weights)


def _terms(rng: Random) -> dict[str, Any]:
    return {
        "universe": str(rng.choice(list(Universe))),
        "execution_price": str(rng.choice(list(ExecutionPrice))),
        "holding_period": rng.choice((1, 1, 2)),
        "initial_capital": rng.choice((100_000, 1_000_000)),
    }


def _weights(rng: Random, symbols: list[str]) -> dict[str, float]:
    chosen = rng.sample(symbols, rng.randint(1, 12))
    return {symbol: round(rng.uniform(0.5, 1) / len(chosen), 4) for symbol in chosen}


def fill(home: Home) -> None:
    """Bring the market, the strategies and all that they do into a home; nothing is settled."""
    plan, minute = trading(), timedelta(minutes=1)
    put_market(home, plan.market.bars, plan.market.index_levels)
    with home.ledger.write() as db:
        upsert(db, CorporateAction, plan.market.actions)
    for slug, terms in plan.terms.items():
        open_strategies(home, deadline(FIRST, "open") - 1440 * minute, slug, **terms)
    for n, session in enumerate(plan.sessions):
        at = deadline(session, "open") - 60 * minute
        if n == 4:
            move(home, "s02", StrategyStatus.ACTIVE, at)
        # First revisions of some, and then the ones that count.
        send(home, session, {"s00": {"600001.SH": 0.1}, "s01": {"000001.SZ": 1.0}}, at)
        send(home, session, plan.weights[n], at + minute)
        if n == 1:
            send(home, plan.sessions[4], {"s03": {"600001.SH": 0.1}}, at + minute)
        if n == 2:
            move(home, "s02", StrategyStatus.PAUSED, at + 2 * minute)
            move(home, "s03", StrategyStatus.RETIRED, at + 600 * minute)
    home.clock.set(deadline(plan.sessions[-1], "close") + 180 * minute)


def put_market(home: Home, bars: pl.DataFrame, levels: pl.DataFrame) -> None:
    """Make bars and index levels count, in place of those of the same sessions."""
    files = stage_sessions(home.lake, BARS, bars) + stage_sessions(home.lake, INDEX_LEVELS, levels)
    with home.ledger.write() as db:
        home.lake.commit(db, files, home.clock.now())


def expected() -> list[Settled]:
    """Return the result that each session must have."""
    plan, settled = trading(), list[Settled]()
    for n, session in enumerate(plan.sessions):
        terms = [
            {"strategy": slug, **terms, "paused": slug == "s02" and n in {2, 3}}
            for slug, terms in plan.terms.items()
            if not (slug == "s03" and n > 2)
        ]
        settled.append(
            settle(
                session,
                terms=frames.terms(*terms),
                books=settled[-1].nav if settled else frames.no_books(),
                holdings=settled[-1].positions if settled else frames.no_holdings(),
                signals=frames.signals(plan.weights[n]),
                bars=plan.market.bars.filter(pl.col("session") == session),
                marks=_marks(plan.market.bars, session),
                actions=plan.market.actions.filter(pl.col("session") == session).drop("session"),
                benchmarks=_benchmarks(plan.market.index_levels, session),
            )
        )
    return settled


def _marks(bars: pl.DataFrame, session: date) -> pl.DataFrame:
    """The newest earlier bar of each symbol, row by row."""
    newest: dict[str, dict[str, Any]] = {}
    for row in bars.filter(pl.col("session") < session, pl.col("close") > 0).sort("session").iter_rows(named=True):
        factor = row["adj_factor"] or newest.get(row["symbol"], {}).get("adj_factor")
        day = {"session": row["session"], "bar_session": row["session"]}
        newest[row["symbol"]] = {"symbol": row["symbol"], **day, "close": row["close"], "adj_factor": factor}
    return pl.DataFrame(list(newest.values()), schema=MARKS.schema)


def _benchmarks(levels: pl.DataFrame, session: date) -> pl.DataFrame:
    day = levels["session"].unique().sort().to_list()
    before = day[day.index(session) - 1]
    level = {(row["index"], row["session"]): row["close"] for row in levels.iter_rows(named=True)}
    return frames.benchmarks({name: level[name, session] / level[name, before] - 1 for name in map(str, Universe)})
