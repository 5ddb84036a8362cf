"""Outcomes of external signals, by first touch and never in their favour.

A signal is entered when price trades inside its zone within 24 hours of the moment it was known. From there on every
bar is checked for the stop first, and for the targets only where the stop was not touched: one bar that touches both
is a stop. The position is divided equally among the targets that the signal names; the rest leaves at the stop, or at
the open of a bar that opens beyond it. The result is in R, multiples of the way from entry to stop.

Pure: signals and bars of one pair in, a verdict a signal out.
"""

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from countersign.domain.arrays import Flags, Floats, Integers
from countersign.domain.external.outcome_kernel import (
    DONE,
    NEVER,
    STOPPED,
    TARGETS,
    WAITING,
    Bars,
    SignalOrders,
    Watched,
    watch,
)

ENTRY_WINDOW = timedelta(hours=24)

STATES = ("pending", "expired", "open", "stopped", "done")
TIME = pl.Datetime("us", "UTC")
SIGNALS_SCHEMA: dict[str, Any] = {
    "known_at": TIME,
    "direction": pl.String,
    "entry_low": pl.Float64,
    "entry_high": pl.Float64,
    "stop_loss": pl.Float64,
    "target1": pl.Float64,
    "target2": pl.Float64,
    "target3": pl.Float64,
}
KLINES_SCHEMA: dict[str, Any] = {
    "opened_at": TIME,
    "open": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "close": pl.Float64,
}
OUTCOMES_SCHEMA: dict[str, Any] = {
    "outcome": pl.String,
    "r_multiple": pl.Float64,
    "entered_at": TIME,
    "stopped_at": TIME,
    "target1_at": TIME,
    "target2_at": TIME,
    "target3_at": TIME,
    "closed_at": TIME,
}


def judge(signals: pl.DataFrame, klines: pl.DataFrame, interval: timedelta) -> pl.DataFrame:
    """Give each signal its outcome; rows as in `signals`, columns as OUTCOMES_SCHEMA.

    `signals` has the columns of SIGNALS_SCHEMA (direction LONG or SHORT), `klines` those of KLINES_SCHEMA for one
    pair, ascending. `outcome` is

    - invalid: no zone or stop, a stop or target on the wrong side of the zone, or targets that are not in order;
    - pending: not entered yet, or the bars do not cover the time after it was known;
    - expired: 24 hours went by without a trade in the zone;
    - open: entered, nothing touched yet;
    - stopped: the stop came first;
    - target1, target2, target3: the furthest target touched before the stop.

    `r_multiple` and `closed_at` are null until stop or last target. Times are opening times of bars. Bars that opened
    before `known_at` do not count: their trades may have been before it.
    """
    side = np.where(signals["direction"].to_numpy() == "SHORT", -1.0, 1.0)
    opened = klines["opened_at"].to_physical().to_numpy()
    known = signals["known_at"].to_physical().to_numpy()
    step = interval // timedelta(microseconds=1)
    orders = _long_view(signals, side, np.searchsorted(opened, known), known)
    valid = _valid(signals, orders)
    covered = valid & _covered(opened, known, orders.first, step)
    seen = _nothing_seen(signals.height)
    for sign in (1.0, -1.0):
        ours = np.flatnonzero(covered & (side == sign))
        upper, lower = ("high", "low") if sign > 0 else ("low", "high")
        opens, highs, lows = (sign * klines[name].to_numpy() for name in ("open", upper, lower))
        found = watch(Bars(opened, opens, highs, lows, step), SignalOrders._make(column[ours] for column in orders))
        for column, values in zip(seen, found, strict=True):
            column[ours] = values
    last = seen.reached.max(axis=1)
    closed = np.where(seen.state == STOPPED, seen.stopped, np.where(seen.state == DONE, last, NEVER))
    times = {
        "entered_at": seen.entered,
        "stopped_at": seen.stopped,
        **{f"target{k + 1}_at": seen.reached[:, k] for k in range(TARGETS)},
        "closed_at": closed,
    }
    columns = {
        "outcome": _words(seen, valid),
        "r_multiple": pl.Series(_multiples(seen, orders)).fill_nan(None),
        **{name: _times(opened, where) for name, where in times.items()},
    }
    return pl.DataFrame(columns, schema=OUTCOMES_SCHEMA)


def _long_view(signals: pl.DataFrame, side: Floats, first: Integers, known: Integers) -> SignalOrders:
    """The signals as the kernel takes them, multiplied by −1 where they are short."""
    start, end = (side * _floats(signals, name) for name in ("entry_low", "entry_high"))
    targets = np.column_stack([side * _floats(signals, f"target{k + 1}") for k in range(TARGETS)])
    last_entry = known + ENTRY_WINDOW // timedelta(microseconds=1)
    stop = side * _floats(signals, "stop_loss")
    return SignalOrders(first, last_entry, np.minimum(start, end), np.maximum(start, end), stop, targets)


def _valid(signals: pl.DataFrame, orders: SignalOrders) -> Flags:
    sided = signals["direction"].is_in(["LONG", "SHORT"]).fill_null(value=False).to_numpy()
    # A comparison with nan is false: a zone or stop that is missing is invalid, a target that is missing is not.
    beyond = np.column_stack([orders.zone_high[:, None], orders.targets])
    falling = [beyond[:, later] <= beyond[:, earlier] for later in range(1, TARGETS + 1) for earlier in range(later)]
    ordered = (orders.stop < orders.zone_low) & (orders.zone_low <= orders.zone_high) & ~np.any(falling, axis=0)
    valid: Flags = sided & ordered
    return valid


def _covered(opened: Integers, known: Integers, first: Integers, step: int) -> Flags:
    """Whether the first bar after that moment is there: it opens less than one bar's length after it."""
    if opened.size == 0:
        return np.zeros(known.size, bool)
    found = opened[np.minimum(first, opened.size - 1)]
    covered: Flags = (first < opened.size) & (found - known < step)
    return covered


def _nothing_seen(count: int) -> Watched:
    never, nowhere = np.full(count, NEVER), np.full(count, np.nan)
    reached = np.full((count, TARGETS), NEVER)
    return Watched(np.full(count, WAITING), never, never.copy(), reached, nowhere, nowhere.copy())


def _multiples(seen: Watched, orders: SignalOrders) -> Floats:
    """R of the closed ones, nan of the others: the mean over equal parts, a part each named target."""
    parts = np.maximum((~np.isnan(orders.targets)).sum(axis=1), 1)
    hit = seen.reached != NEVER
    gained = np.where(hit, orders.targets - seen.entry[:, None], 0.0).sum(axis=1)
    left = np.where(seen.state == STOPPED, (parts - hit.sum(axis=1)) * (seen.exit - seen.entry), 0.0)
    multiples: Floats = (gained + left) / parts / (seen.entry - orders.stop)
    return np.where((seen.state == STOPPED) | (seen.state == DONE), multiples, np.nan)


def _words(seen: Watched, valid: Flags) -> pl.Series:
    words = np.array(STATES, dtype=object)[seen.state]
    for k in range(TARGETS):
        words[seen.reached[:, k] != NEVER] = f"target{k + 1}"
    words[~valid] = "invalid"
    return pl.Series(words, dtype=pl.String)


def _times(opened: Integers, where: Integers) -> pl.Series:
    if opened.size == 0:
        return pl.repeat(None, where.size, dtype=TIME, eager=True)
    return pl.select(pl.when(pl.Series(where) >= 0).then(pl.Series(opened[where]))).to_series().cast(TIME)


def _floats(signals: pl.DataFrame, name: str) -> Floats:
    values: Floats = signals[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return values
