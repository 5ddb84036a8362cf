"""Made-up klines that fit the made-up feed: the same prices, so that its signals are entered, stopped and rewarded.

Deterministic and without memory: a price is a function of coin and time, the middle that the feed quotes around with
two faster swings on top. Bars of the same time are the same whenever they are made.
"""

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from countersign.domain.arrays import Floats
from countersign.domain.external.feed_simulation import COINS, SWING, SWING_SECONDS
from countersign.models.datasets import KLINES

# Of the swings on top: how far, as a fraction of the price, and seconds a radian.
FAST = ((0.009, 1_100), (0.005, 290))
# Samples of the price in a bar, its ends included.
LOOKS = 9
DIGITS = 8


def simulate_klines(coin: str, step: timedelta, since: datetime, until: datetime) -> pl.DataFrame:
    """Klines of a coin of the feed, columns as models.datasets.KLINES: all bars that open from `since` on (rounded up
    to the step) and are over by `until`.
    """
    seconds = step.total_seconds()
    first, end = -(-since.timestamp() // seconds), until.timestamp() // seconds
    opened = np.arange(first, end) * seconds
    seen = _price(coin, opened[:, None] + np.linspace(0, seconds, LOOKS))
    microseconds = pl.Series((opened * 1e6).astype(np.int64))
    columns = {
        "opened_at": microseconds.cast(KLINES.schema["opened_at"]),
        "open": seen[:, 0],
        "high": seen.max(axis=1),
        "low": seen.min(axis=1),
        "close": seen[:, -1],
        "volume": np.round(1e6 / seen.mean(axis=1), 3),
    }
    return pl.DataFrame(columns, schema=KLINES.schema)


def _price(coin: str, seconds: Floats) -> Floats:
    number = list(COINS).index(coin)
    middle = COINS[coin] * (1 + SWING * np.sin(seconds / SWING_SECONDS))
    swings = sum(size * np.sin(seconds / length + 2 * number) for size, length in FAST)
    price: Floats = np.round(middle * (1 + swings), DIGITS)
    return price
