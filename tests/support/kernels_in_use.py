"""Settles, evaluates, judges and measures made-up days; prints how many compiled functions were read from disk, and
which were not there.

    python -m tests.support.kernels_in_use
"""

import json
from datetime import timedelta

import numpy as np
import polars as pl
from numba.core.dispatcher import Dispatcher

from countersign.domain.evaluation import kernel as evaluation_kernel
from countersign.domain.external import outcome_kernel
from countersign.domain.external.kline_simulation import simulate_klines
from countersign.domain.external.outcomes import SIGNALS_SCHEMA, judge
from countersign.domain.factors import kernel as factor_kernel
from countersign.domain.factors.validation import evaluate_factor
from countersign.domain.settlement import kernel
from countersign.models.datasets import KLINES
from tests.support.evaluation import evaluated, histories
from tests.support.factor_worlds import calendar, long, prices
from tests.support.trading import expected

MODULES = (evaluation_kernel, factor_kernel, kernel, outcome_kernel)


def _judge() -> None:
    since = pl.Series(["2026-01-05T00:00:00+00:00"]).str.to_datetime(time_zone="UTC").cast(KLINES.schema["opened_at"])
    klines = simulate_klines("BTC", timedelta(minutes=15), since[0], since[0] + timedelta(days=2))
    close = klines["close"][0]
    row = (since[0], "SHORT", close, 1.001 * close, 1.01 * close, 0.99 * close, 0.98 * close, None)
    judge(pl.DataFrame([row], schema=SIGNALS_SCHEMA, orient="row"), klines, timedelta(minutes=15))


def _measure() -> None:
    rng = np.random.default_rng(7)
    values, closes = rng.normal(size=(70, 40)), prices(rng, 76, 40)
    members = long(values).select("session", "symbol")
    others = {"one": long(rng.normal(size=(70, 40)))}
    evaluate_factor(long(values), long(closes, "close"), members, others, calendar(76))


def main() -> None:
    """Use all of it."""
    expected()
    levels = [100.0 + n % 7 for n in range(40)]
    evaluated(histories({"one": levels, "two": levels[::-1]}, [0.001] * 40, {}))
    _judge()
    _measure()
    kernels = {each for module in MODULES for each in vars(module).values() if isinstance(each, Dispatcher)}
    read = sum(sum(each.stats.cache_hits.values()) for each in kernels)
    compiled = [each.__name__ for each in kernels if each.stats.cache_misses]
    print(json.dumps({"read": read, "compiled": compiled}))  # noqa: T201


if __name__ == "__main__":
    main()
