"""The factor kernel: cross-sections as sort orders, and the rank figures that are walks along them.

A cross-section is sorted once. Whatever part of it is compared with something else (the symbols that also have a return,
or a value of another factor) is ranked again by walking its order, in time proportional to its width. Ranks are kept
doubled, which makes averages of ties whole numbers: correlations of ranks are sums of integers, the same whatever the
order of the symbols, and exactly 1 where the ranks agree. Undefined results are nan. All compiled code of factors stays
in this one file, because the compiled cache only notices changes of the file that it was compiled from.
"""

import math

import numpy as np

from domain.arrays import Codes, Floats, Integers
from domain.kernel import compiled

LEAST_PAIRS = 10
QUINTILES = 5


@compiled
def scatter(rows: Codes, columns: Codes, values: Floats, panel: Floats) -> int:
    """Put values into a panel that is nan so far, those with a code below 0 left out.

    Return the place of the first value, other than nan, whose cell was taken; -1 if there is none.
    """
    for i in range(values.size):
        row, column = rows[i], columns[i]
        if row < 0 or column < 0 or np.isnan(values[i]):
            continue
        if not np.isnan(panel[row, column]):
            return i
        panel[row, column] = values[i]
    return -1


@compiled
def mark_ties(panel: Floats, order: Integers) -> tuple[Codes, Codes]:
    """Keep the sorted columns of each row (nan last) as codes, ~code where the value is that of the one before it.

    Return them with the number of values in each row; what stands after those means nothing.
    """
    rows, width = panel.shape
    chain, count = np.empty((rows, width), np.int32), np.zeros(rows, np.int32)
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
    return chain, count


@compiled
def _rank(chain: Codes, count: int, place: Codes, kept: Integers, stamp: int, ranks: Integers) -> int:
    """Write twice the average rank, from 2 up, of the symbols with kept[symbol] == stamp; return how many they are.

    `place` turns the chain's codes into those of `kept` and `ranks`, below 0 for a symbol that has none.
    """
    done, first = 0, 0
    while first < count:
        last, tied = first, 0
        while last < count and (last == first or chain[last] < 0):
            symbol = place[chain[last] if chain[last] >= 0 else ~chain[last]]
            tied += symbol >= 0 and kept[symbol] == stamp
            last += 1
        if tied > 0:
            for i in range(first, last):
                symbol = place[chain[i] if chain[i] >= 0 else ~chain[i]]
                if symbol >= 0 and kept[symbol] == stamp:
                    ranks[symbol] = 2 * done + tied + 1
            done += tied
        first = last
    return done


@compiled
def _mark(chain: Codes, count: int, place: Codes, marks: Integers, stamp: int) -> None:
    """Set marks[symbol] = stamp for every symbol of the chain that has a place."""
    for i in range(count):
        symbol = place[chain[i] if chain[i] >= 0 else ~chain[i]]
        if symbol >= 0:
            marks[symbol] = stamp


@compiled
def correlate(
    chain: Codes, count: Codes, others: Codes, other_count: Codes, other_row: Codes, place: Codes
) -> tuple[Floats, Codes]:
    """Spearman's correlation of each row with row other_row[row] of the others (below 0: none), and the pairs it has.

    `place` maps the others' codes to this side's. nan with fewer than 10 pairs, or where either side is constant.
    """
    rows, width = chain.shape
    result, pairs = np.full(rows, np.nan), np.zeros(rows, np.int32)
    here, there, same = np.full(width, -1), np.full(width, -1), np.arange(width).astype(np.int32)
    x, y = np.empty(width, np.int64), np.empty(width, np.int64)
    for row in range(rows):
        other = other_row[row]
        if other < 0:
            continue
        _mark(chain[row], count[row], same, here, row)
        n = _rank_common(others[other], other_count[other], place, here, row, there, y)
        pairs[row] = n
        if n >= LEAST_PAIRS:
            _rank(chain[row], count[row], same, there, row, x)
            result[row] = _pearson(chain[row], count[row], there, row, x, y, n)
    return result, pairs


@compiled
def _rank_common(
    chain: Codes, count: int, place: Codes, here: Integers, stamp: int, there: Integers, ranks: Integers
) -> int:
    """Rank the symbols of the chain that are marked here, and mark them there; return how many they are."""
    for i in range(count):
        symbol = place[chain[i] if chain[i] >= 0 else ~chain[i]]
        if symbol >= 0 and here[symbol] == stamp:
            there[symbol] = stamp
    return _rank(chain, count, place, there, stamp, ranks)


@compiled
def _pearson(chain: Codes, count: int, kept: Integers, stamp: int, x: Integers, y: Integers, n: int) -> float:
    """Pearson's correlation of two sets of n doubled ranks, whose means are n + 1 both; nan if either is constant."""
    xx, xy, yy = 0, 0, 0
    for i in range(count):
        symbol = chain[i] if chain[i] >= 0 else ~chain[i]
        if kept[symbol] == stamp:
            dx, dy = x[symbol] - n - 1, y[symbol] - n - 1
            xx += dx * dx
            xy += dx * dy
            yy += dy * dy
    if xx == 0 or yy == 0:
        return np.nan
    return max(-1.0, min(1.0, xy / math.sqrt(float(xx) * float(yy))))


@compiled
def _quintile(rank: int, n: int) -> int:
    """ceil(5 × average rank / n) - 1 in whole numbers, `rank` being doubled: 0 to 4."""
    return (QUINTILES * rank + 2 * n - 1) // (2 * n) - 1


@compiled
def quintile_means(chain: Codes, count: Codes, returns: Floats, counts: Floats) -> Floats:
    """Mean return of each quintile, rows × 5, over the symbols with both; nan for an empty one.

    Rows whose `counts` (their IC) is nan do not count and stay nan; `returns` has the chain's rows and columns.
    """
    rows, width = chain.shape
    means = np.full((rows, QUINTILES), np.nan)
    kept, ranks, same = np.full(width, -1), np.empty(width, np.int64), np.arange(width).astype(np.int32)
    for row in range(rows):
        if np.isnan(counts[row]):
            continue
        for symbol in range(width):
            if not np.isnan(returns[row, symbol]):
                kept[symbol] = row
        n = _rank(chain[row], count[row], same, kept, row, ranks)
        total, members = np.zeros(QUINTILES), np.zeros(QUINTILES)
        for i in range(count[row]):
            symbol = chain[row, i] if chain[row, i] >= 0 else ~chain[row, i]
            if kept[symbol] == row:
                quintile = _quintile(ranks[symbol], n)
                total[quintile] += returns[row, symbol]
                members[quintile] += 1.0
        for quintile in range(QUINTILES):
            if members[quintile] > 0.0:
                means[row, quintile] = total[quintile] / members[quintile]
    return means


@compiled
def quintile_turnover(chain: Codes, count: Codes) -> Floats:
    """Share of the members of a row's quintile that the row before did not have in it, averaged over the outer two.

    nan where either row has fewer than 10 values or a constant one, and where an outer quintile is empty.
    """
    rows, width = chain.shape
    turnover, stays = np.full(rows, np.nan), np.full(width, -1)
    now, before, swap = np.full(width, -1), np.full(width, -1), np.full(width, -1)
    ranks, same = np.empty(width, np.int64), np.arange(width).astype(np.int32)
    was_sorted = False
    for row in range(rows):
        swap, before, now = before, now, swap
        now[:] = -1
        is_sorted = count[row] >= LEAST_PAIRS and not _is_constant(chain[row], count[row])
        if is_sorted:
            _mark(chain[row], count[row], same, stays, row)
            _rank(chain[row], count[row], same, stays, row, ranks)
            for i in range(count[row]):
                symbol = chain[row, i] if chain[row, i] >= 0 else ~chain[row, i]
                now[symbol] = _quintile(ranks[symbol], count[row])
        if is_sorted and was_sorted:
            turnover[row] = (_newcomers(now, before, 0) + _newcomers(now, before, QUINTILES - 1)) / 2.0
        was_sorted = is_sorted
    return turnover


@compiled
def _is_constant(chain: Codes, count: int) -> bool:
    """Whether every value is that of the one before it."""
    for i in range(1, count):
        if chain[i] >= 0:
            return False
    return True


@compiled
def _newcomers(now: Integers, before: Integers, quintile: int) -> float:
    """Share of the quintile's members that were not in it before; nan if it has none."""
    members, fresh = 0, 0
    for symbol in range(now.size):
        if now[symbol] == quintile:
            members += 1
            fresh += before[symbol] != quintile
    return fresh / members if members > 0 else np.nan
