"""The factor kernel: cross-sections as sort orders, and the rank figures that are walks along them.

A cross-section is sorted once. Where only a part of it is compared with something else (the symbols that also have a
return, or a value of another factor), that part is ranked again by walking the order, in time proportional to its
width. Ranks are kept doubled, which makes averages of ties whole numbers: correlations of ranks are sums of integers,
the same in any order of the symbols, and exactly 1 where the ranks agree. Undefined results are nan. All compiled
code of factors stays in this one file, because the compiled cache only notices changes of the file that it was compiled
from.
"""

import math

import numpy as np

from countersign.domain.arrays import Codes, Floats, Integers, Sorted
from countersign.domain.compiling import compiled

LEAST_PAIRS = 10
QUINTILES = 5


@compiled
def scatter(rows: Codes, columns: Codes, values: Floats, panel: Floats) -> int:
    """Put values into a panel that is nan so far, those with a code below 0 left out.

    Return the place of the first value whose cell was taken, -1 if there is none; nan and infinity are left out, too.
    """
    for i in range(values.size):
        row, column = rows[i], columns[i]
        if row < 0 or column < 0 or not np.isfinite(values[i]):
            continue
        if not np.isnan(panel[row, column]):
            return i
        panel[row, column] = values[i]
    return -1


@compiled
def sort_out(panel: Floats, order: Integers) -> tuple[Codes, Codes, Codes]:
    """Make chains, ranks and counts of a panel's rows, `order` being their sorted columns with nan last.

    A chain is a row's columns in ascending order, ~column where the value is that of the one before it; entries
    after the row's count mean nothing. Ranks are doubled and averaged over ties: 2 up to twice the count, 0 for nan.
    """
    rows, width = panel.shape
    chain, ranks, count = np.empty((rows, width), np.int32), np.zeros((rows, width), np.int32), np.zeros(rows, np.int32)
    everything = np.ones(width, np.int32)
    for row in range(rows):
        before = np.nan
        for i in range(width):
            column = order[row, i]
            value = panel[row, column]
            if np.isnan(value):
                break
            chain[row, i] = ~column if value == before else column
            before = value
            count[row] += 1
        _rank(chain[row], count[row], everything, ranks[row])
    return chain, ranks, count


@compiled
def _rank(chain: Codes, count: int, kept: Codes, ranks: Codes) -> None:
    """Write the doubled ranks that the chain's symbols with kept[symbol] > 0 have among themselves."""
    done, first = 0, 0
    while first < count:
        last = first + 1
        if last == count or chain[last] >= 0:  # nothing is tied with it: the usual case, in a hurry
            if kept[chain[first]] > 0:
                done += 1
                ranks[chain[first]] = 2 * done
            first = last
            continue
        while last < count and chain[last] < 0:
            last += 1
        tied = 1 if kept[chain[first]] > 0 else 0
        for i in range(first + 1, last):
            tied += kept[~chain[i]] > 0
        if kept[chain[first]] > 0:
            ranks[chain[first]] = 2 * done + tied + 1
        for i in range(first + 1, last):
            if kept[~chain[i]] > 0:
                ranks[~chain[i]] = 2 * done + tied + 1
        done += tied
        first = last


@compiled
def correlate(ours: Sorted, theirs: Sorted, their_row: Codes, place: Codes) -> tuple[Floats, Codes]:
    """Spearman's correlation of each of our rows with row their_row[row] of theirs (below 0: none), and its pairs.

    `place` turns our columns into theirs, below 0 for one that they lack. nan with fewer than 10 pairs, or where either
    side is constant over them.
    """
    rows, width = ours.ranks.shape
    result, pairs = np.full(rows, np.nan), np.zeros(rows, np.int32)
    common, y = np.empty(width, np.int32), np.empty(width, np.int32)
    their_width = theirs.ranks.shape[1]
    again, kept, their_again = (
        np.empty(width, np.int32),
        np.empty(their_width, np.int32),
        np.empty(their_width, np.int32),
    )
    for row in range(rows):
        other = their_row[row]
        if other < 0:
            continue
        x, n = ours.ranks[row], 0
        for symbol in range(width):
            y[symbol] = theirs.ranks[other, place[symbol]] if place[symbol] >= 0 else 0
            common[symbol] = x[symbol] > 0 and y[symbol] > 0
            n += common[symbol]
        pairs[row] = n
        if n < LEAST_PAIRS:
            continue
        if n < ours.counts[row]:
            _rank(ours.chain[row], ours.counts[row], common, again)
            x = again
        if n < theirs.counts[other]:
            kept[:] = 0
            for symbol in range(width):
                if common[symbol] > 0:
                    kept[place[symbol]] = 1
            _rank(theirs.chain[other], theirs.counts[other], kept, their_again)
            for symbol in range(width):
                y[symbol] = their_again[place[symbol]] if common[symbol] > 0 else 0
        result[row] = _pearson(x, y, common, n)
    return result, pairs


@compiled
def _pearson(x: Codes, y: Codes, common: Codes, n: int) -> float:
    """Pearson's correlation of n doubled ranks on either side, whose means are n + 1; nan if a side is constant."""
    xx, xy, yy = 0, 0, 0
    for symbol in range(x.size):
        dx, dy = common[symbol] * (x[symbol] - n - 1), common[symbol] * (y[symbol] - n - 1)
        xx += dx * dx
        xy += dx * dy
        yy += dy * dy
    if xx == 0 or yy == 0:
        return np.nan
    return max(-1.0, min(1.0, xy / math.sqrt(float(xx) * float(yy))))


@compiled
def quintile_means(ours: Sorted, returns: Floats, ic: Floats) -> Floats:
    """Mean return of each quintile, rows × 5, over the symbols with a value and a return; nan for an empty one.

    A quintile is ceil(5 × average rank / n), in whole numbers. Rows whose `ic` is nan do not count and stay nan.
    """
    rows, width = ours.ranks.shape
    means = np.full((rows, QUINTILES), np.nan)
    kept, ranks = np.empty(width, np.int32), np.empty(width, np.int32)
    for row in range(rows):
        if np.isnan(ic[row]):
            continue
        n = 0
        for symbol in range(width):
            kept[symbol] = ours.ranks[row, symbol] > 0 and not np.isnan(returns[row, symbol])
            n += kept[symbol]
        _rank(ours.chain[row], ours.counts[row], kept, ranks)
        total, members = np.zeros(QUINTILES), np.zeros(QUINTILES)
        for symbol in range(width):
            if kept[symbol] > 0:
                quintile = (QUINTILES * ranks[symbol] + 2 * n - 1) // (2 * n) - 1
                total[quintile] += returns[row, symbol]
                members[quintile] += 1.0
        for quintile in range(QUINTILES):
            if members[quintile] > 0.0:
                means[row, quintile] = total[quintile] / members[quintile]
    return means


@compiled
def quintile_turnover(ours: Sorted) -> Floats:
    """Share of the members of a row's quintile that the row before did not have in it, averaged over the outer two.

    nan where either row has fewer than 10 values or the same one throughout, and where an outer quintile is empty.
    """
    rows = ours.counts.size
    turnover = np.full(rows, np.nan)
    for row in range(1, rows):
        if _is_divided(ours, row) and _is_divided(ours, row - 1):
            turnover[row] = _mean_newcomers(ours, row)
    return turnover


@compiled
def _is_divided(ours: Sorted, row: int) -> bool:
    """Whether a row has at least 10 values that are not all the same."""
    count = ours.counts[row]
    return bool(count >= LEAST_PAIRS and ours.ranks[row, ours.chain[row, 0]] != count + 1)


@compiled
def _mean_newcomers(ours: Sorted, row: int) -> float:
    """Share of newcomers in the lowest and in the highest quintile, averaged; nan if either is empty."""
    before, before_count, now, count = ours.ranks[row - 1], ours.counts[row - 1], ours.ranks[row], ours.counts[row]
    low, low_new, high, high_new = 0, 0, 0, 0
    for symbol in range(now.size):
        rank, old = QUINTILES * now[symbol], QUINTILES * before[symbol]
        if 0 < rank <= 2 * count:
            low += 1
            low_new += not 0 < old <= 2 * before_count
        elif rank > 2 * (QUINTILES - 1) * count:
            high += 1
            high_new += not old > 2 * (QUINTILES - 1) * before_count
    return (low_new / low + high_new / high) / 2.0 if low > 0 and high > 0 else np.nan
