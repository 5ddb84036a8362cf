"""Random markets and strategies for settlement tests: every rule is met often, and the seed decides everything.

A world is a list of days in order; a day holds the frames that settlement takes, but for the state and the marks, which
the test carries on from day to day.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

import polars as pl

from tests.support import frames

SYMBOLS = (
    ("000001.SZ", 12.0),
    ("159915.SZ", 2.345),
    ("300001.SZ", 25.0),
    ("430047.BJ", 8.0),
    ("510300.SH", 4.012),
    ("588000.SH", 1.003),
    ("600000.SH", 9.99),
    ("600519.SH", 1500.0),
    ("688001.SH", 50.0),
    ("689009.SH", 33.33),
    ("920002.BJ", 61.7),
)
STARTS = (date(2020, 8, 20), date(2023, 8, 24), date(2025, 1, 2), date(2026, 7, 1))
RATES = ((0.0003, 0.002), (0.0, 0.0), (0.01, 0.05))


@dataclass(frozen=True)
class Day:
    """The frames of one session."""

    session: date
    terms: pl.DataFrame
    signals: pl.DataFrame
    bars: pl.DataFrame
    actions: pl.DataFrame
    listings: pl.DataFrame
    benchmarks: pl.DataFrame


def world(seed: int, sessions: int, strategies: int) -> list[Day]:
    """A world of so many sessions and strategies."""
    rng = Random(seed)
    session = rng.choice(STARTS)
    terms = [_term(rng, f"s{i:02}") for i in range(strategies)]
    closes, factors = dict(SYMBOLS), {symbol: rng.choice((1.0, 37.125)) for symbol, _ in SYMBOLS}
    late = rng.choice([symbol for symbol, _ in SYMBOLS])
    fresh, begun = rng.choice([symbol for symbol, _ in SYMBOLS]), session
    days = []
    for n in range(sessions):
        rows, records = [], []
        for symbol, _ in SYMBOLS:
            if symbol == late and n < sessions - 1:
                continue
            row, record = _bar(rng, symbol, closes, factors)
            if record is not None:
                records.append(record)
            if rng.random() > 0.08:
                rows.append(row)
        rng.shuffle(rows)
        weights = {term["strategy"]: _weights(rng) for term in terms if rng.random() < 0.75}
        days.append(
            Day(
                session,
                frames.terms(*({**term, "paused": rng.random() < 0.1} for term in terms)),
                frames.signals(weights),
                frames.bars(session, rows),
                frames.actions(records),
                frames.listings([(fresh, begun, n + 1)] if n < 5 else []),
                frames.benchmarks({"hs300": rng.choice((None, 0.01))}),
            )
        )
        session += timedelta(3 if session.weekday() == 4 else 1)
    return days


def _term(rng: Random, name: str) -> dict[str, Any]:
    commission, slippage = rng.choice(RATES)
    return {
        "strategy": name,
        "execution_price": rng.choice(("open", "close")),
        "holding_period": rng.choice((1, 1, 2, 3)),
        "initial_capital": rng.choice((100_000, 1_000_000, 100_000_000)),
        "commission_rate": commission,
        "slippage_rate": slippage,
    }


def _weights(rng: Random) -> dict[str, float]:
    names = [symbol for symbol, _ in SYMBOLS]
    chosen = rng.sample([*names, "999999.SH"], rng.randint(1, 6))
    parts = [rng.choice((0.0, rng.random(), 1.0, 0.001)) for _ in chosen]
    total = max(sum(parts), rng.choice((1.0, 1e-9)))
    return {symbol: part / total for symbol, part in zip(chosen, parts, strict=True)}


def _bar(
    rng: Random, symbol: str, closes: dict[str, float], factors: dict[str, float]
) -> tuple[dict[str, Any], tuple[str, float, float] | None]:
    """A bar, and perhaps the record of a corporate action; the running closes and factors are carried on in place."""
    decimals = 3 if symbol.startswith(("5", "15")) else 2
    before, record = closes[symbol], None
    if rng.random() < 0.2:
        paid = ((0.0, 0.1), (round(before * 0.02, 3), 0.0), (round(before * 0.01, 3), 0.5), (0.0, -0.5))
        cash, bonus = rng.choice(paid)
        after = (before - cash) / (1 + bonus)
        factors[symbol] *= before / after
        before = after
        if rng.random() < 0.6:
            record = (symbol, cash, bonus)
    moves = (rng.uniform(0.95, 1.05), 1.0, 0.9, 1.1, 1.2, 0.8, 0.95, 1.05, 1.3, 0.7)
    prices = [max(0.01, round(before * rng.choice((moves[0], rng.choice(moves))), decimals)) for _ in range(2)]
    closes[symbol] = prices[1]
    seen = rng.choice((*[factors[symbol]] * 8, factors[symbol] * 0.9, None))
    idle = rng.random() < 0.12
    row = {
        "symbol": symbol,
        "open": prices[0],
        "close": prices[1],
        "adj_factor": seen,
        "volume": rng.choice((0.0, None)) if idle else 1e6,
        "suspended": rng.choice((True, True, False, None))
        if idle
        else rng.choice((False, None, None, rng.random() < 0.2)),
        "is_st": rng.choice((None, None, False, True)),
        "limit_up": rng.choice((None, None, 0.0, max(prices), round(max(prices) * 1.01, decimals))),
        "limit_down": rng.choice((None, None, 0.0, min(prices), round(min(prices) * 0.99, decimals))),
    }
    return row, record
