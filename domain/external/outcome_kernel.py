"""The outcome kernel: it follows each signal through the market, bar after bar, over arrays.

Every signal is taken as long: the prices of a short one come multiplied by −1, highs and lows swapped, which
turns falling into rising and leaves multiples of risk as they are. All compiled code of outcomes stays in this one
file, because the compiled cache only notices changes of the file that it was compiled from.
"""

from typing import NamedTuple

import numpy as np

from countersign.domain.arrays import Floats, Integers
from countersign.domain.compiling import compiled

TARGETS = 3
NEVER = -1
# States of a signal at the end of the watch over it.
WAITING, EXPIRED, RUNNING, STOPPED, DONE = 0, 1, 2, 3, 4


class Bars(NamedTuple):
    """Bars of one pair, by time ascending: opening times and length in microseconds, prices of the long view."""

    opened: Integers
    open: Floats
    high: Floats
    low: Floats
    step: int


class SignalOrders(NamedTuple):
    """Signals, in the long view: the first bar to look at, the last moment to enter, zone, stop, and targets
    (signals × 3, nan where unused).
    """

    first: Integers
    last_entry: Integers
    zone_low: Floats
    zone_high: Floats
    stop: Floats
    targets: Floats


class Watched(NamedTuple):
    """Course of each signal: its state, indices of bars (`NEVER`: not yet), entry and exit prices (nan: none);
    `reached` is signals × 3.
    """

    state: Integers
    entered: Integers
    stopped: Integers
    reached: Integers
    entry: Floats
    exit: Floats


def watch(bars: Bars, orders: SignalOrders) -> Watched:
    """Follow each signal until it is closed or expires, or the bars end or have a hole."""
    return Watched(*_watch(bars, orders))


@compiled
def _enter(bars: Bars, first: int, last_entry: int, low: float, high: float) -> tuple[int, int]:
    """The first bar that trades in the zone. A hole ends the search, since the market in it is unknown."""
    size = bars.opened.size
    for i in range(first, size):
        if i > first and bars.opened[i] - bars.opened[i - 1] != bars.step:
            return WAITING, NEVER
        if bars.opened[i] > last_entry:
            return EXPIRED, NEVER
        if bars.high[i] >= low and bars.low[i] <= high:
            return RUNNING, i
    over = size > first and bars.opened[size - 1] + bars.step > last_entry
    return (EXPIRED if over else WAITING), NEVER


@compiled
def _leave(bars: Bars, entered: int, fell: bool, stop: float, targets: Floats, reached: Integers) -> tuple[int, int]:
    """The state at the end and the bar of the stop; writes the bars of the targets into `reached`."""
    named = np.sum(~np.isnan(targets))
    hits = 0
    for i in range(entered, bars.opened.size):
        if i > entered and bars.opened[i] - bars.opened[i - 1] != bars.step:
            break
        if bars.low[i] <= stop:
            return STOPPED, i
        if i == entered and fell:
            # The price came down into the zone: the high of this bar may lie before the entry.
            continue
        for k in range(TARGETS):
            if reached[k] == NEVER and bars.high[i] >= targets[k]:
                reached[k] = i
                hits += 1
        if 0 < named == hits:
            return DONE, NEVER
    return RUNNING, NEVER


@compiled
def _watch(bars: Bars, orders: SignalOrders) -> tuple[Integers, Integers, Integers, Integers, Floats, Floats]:
    count = orders.first.size
    state = np.zeros(count, np.int64)
    entered, stopped = np.full(count, NEVER), np.full(count, NEVER)
    reached = np.full((count, TARGETS), NEVER)
    entry, leave = np.full(count, np.nan), np.full(count, np.nan)
    for n in range(count):
        low, high, stop = orders.zone_low[n], orders.zone_high[n], orders.stop[n]
        state[n], i = _enter(bars, orders.first[n], orders.last_entry[n], low, high)
        if i == NEVER:
            continue
        entered[n], entry[n] = i, min(max(bars.open[i], low), high)
        state[n], out = _leave(bars, i, bars.open[i] > high, stop, orders.targets[n], reached[n])
        if out != NEVER:
            stopped[n] = out
            # A bar that opens beyond the stop fills there, but not the one that entered.
            leave[n] = min(bars.open[out], stop) if out > i else stop
    return state, entered, stopped, reached, entry, leave
