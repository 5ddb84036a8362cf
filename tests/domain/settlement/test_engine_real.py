"""The engine against the slow settlement on real bars."""

from random import Random

import polars as pl

from countersign.models.datasets import BARS
from tests.support import frames
from tests.support.duel import duel
from tests.support.shared import shared
from tests.support.worlds import Day


def test_real_bars_settle_like_the_letter() -> None:
    rng = Random(7)
    bars = pl.read_parquet(shared("market/bars_hs300_2024.parquet")).sort("session", "symbol")
    nothing = {"limit_up": pl.Float64, "limit_down": pl.Float64, "is_st": pl.Boolean}
    bars = bars.with_columns(pl.lit(None, kind).alias(name) for name, kind in nothing.items())
    bars = bars.select(pl.col(name).cast(kind) for name, kind in BARS.schema.items())
    terms = frames.terms(
        *(
            {"strategy": f"s{i:02}", "execution_price": ("open", "close")[i % 2], "holding_period": 1 + i % 3}
            for i in range(20)
        )
    )
    days = []
    for (session,), today in bars.partition_by("session", as_dict=True).items():
        weights = {}
        for name in terms["strategy"]:
            parts = {symbol: rng.random() for symbol in rng.sample(today["symbol"].to_list(), 30)}
            weights[name] = {symbol: part / sum(parts.values()) for symbol, part in parts.items()}
        days.append(
            Day(
                session, terms, frames.signals(weights), today, frames.actions(), frames.listings(), frames.benchmarks()
            )
        )
    assert {None, "BELOW_LOT", "LIMIT_DOWN", "LIMIT_UP"} <= set(duel(days[:40]))
