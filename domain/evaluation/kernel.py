"""The evaluation kernel: running moments of many strategies over arrays, one pass, expanding session by session.

Moments are updated by Welford's method and its extension to the third and fourth (Pébay 2008), windows are merged from
two halves (Chan, Golub and LeVeque 1979): nothing is ever subtracted again, so no error builds up however long the
history is. nan means undefined or unknown. All compiled code of the evaluation stays in this one file,
because the compiled cache only notices changes of the file that it was compiled from.
"""

import math
from typing import NamedTuple, Self, cast

import numpy as np
from numba import njit

from countersign.domain.arrays import Codes, Floats, Integers
from countersign.domain.compiling import Function

YEAR = 252
WINDOW = 60
# A deviation below it is rounding: NAV comes in whole fen, and no real one is so small in any account.
LEAST_DEVIATION = 1e-14
# From so many sessions on a strategy's Sharpe ratio counts as a trial: the ratio of a few days may be anything.
TRIAL_SESSIONS = 20
CONFIDENCE_QUANTILE = 1.6448536269514722  # of the standard normal, at 0.95


class Figures(NamedTuple):
    """Metrics, strategies × sessions evaluated; `rolling` has all sessions. nan: undefined.

    Shares, rates and returns as fractions; `share_above` is of the rolling values so far, those above 0; `ratio` is the
    Sharpe ratio of a session (not annualised) and `error` its standard error.
    """

    sessions: Codes
    total_return: Floats
    annual_return: Floats
    volatility: Floats
    sharpe: Floats
    max_drawdown: Floats
    calmar: Floats
    benchmark_return: Floats
    excess_return: Floats
    excess_sharpe: Floats
    sortino: Floats
    share_above: Floats
    ratio: Floats
    error: Floats
    rolling: Floats

    @classmethod
    def room(cls, strategies: int, sessions: int, evaluated: int) -> Self:
        """Arrays not yet written."""
        figures = [np.empty((strategies, evaluated)) for _ in range(13)]
        return cls._make([np.empty((strategies, evaluated), np.int32), *figures, np.empty((strategies, sessions))])


class Luck(NamedTuple):
    """Probabilities that Sharpe ratios are luck, strategies × sessions evaluated; the track record is in sessions."""

    psr: Floats
    deflated_sharpe: Floats
    min_track_record: Floats

    @classmethod
    def room(cls, strategies: int, evaluated: int) -> Self:
        """Arrays not yet written."""
        return cls._make(np.empty((strategies, evaluated)) for _ in range(3))


def compiled(function: Function) -> Function:
    """Compile at first call, kept on disk; division by zero gives infinity or nan, as everywhere in this file."""
    return cast("Function", njit(nogil=True, cache=True, error_model="numpy")(function))


def measure(nav: Floats, benchmark: Floats, capital: Floats, since: int) -> Figures:
    """Measure every strategy as of each session from place `since` on, by its whole history up to there.

    nav: strategies × sessions, in the unit of `capital`; nan where a strategy has none. benchmark: daily returns, as
    wide; nan where unknown. After a strategy's last session its figures stay the same; before its first they are nan
    and its sessions 0.
    """
    strategies, sessions = nav.shape
    figures = Figures.room(strategies, sessions, sessions - since)
    _measure(nav, benchmark, capital, since, figures)
    return figures


def weigh(figures: Figures, owner: Codes, expected: Floats, trials: Integers) -> Luck:
    """Say how likely each Sharpe ratio is luck.

    owner: of each strategy, from 0. trials: owners × sessions evaluated, strategies opened so far. expected: by number
    of trials, the expected maximum of so many standard normals.
    """
    strategies, evaluated = figures.ratio.shape
    luck = Luck.room(strategies, evaluated)
    _weigh(figures.sessions, figures.ratio, figures.error, owner, expected, trials, luck)
    return luck


@compiled
def _measure(nav: Floats, benchmark: Floats, capital: Floats, since: int, out: Figures) -> None:
    tail_mean, tail_m2 = np.empty(WINDOW + 1), np.empty(WINDOW + 1)
    block = np.empty(WINDOW)
    for i in range(nav.shape[0]):
        n, mean, m2, m3, m4, downside = 0, 0.0, 0.0, 0.0, 0.0, 0.0
        peak, drawdown, before, last = capital[i], 0.0, capital[i], np.nan
        grown, pairs, excess_mean, excess_m2 = 1.0, 0, 0.0, 0.0
        place, head_mean, head_m2, windows, above, rolling = 0, 0.0, 0.0, 0, 0, np.nan
        for t in range(nav.shape[1]):
            value = nav[i, t]
            if not np.isnan(value):
                n += 1
                r = (value - before) / before if before > 0.0 else np.nan
                before = last = value
                peak = max(peak, value)
                drawdown = max(drawdown, 1.0 - value / peak)
                mean, m2, m3, m4 = _add(n, r, mean, m2, m3, m4)
                downside += r * r if not r > 0.0 else 0.0
                grown *= 1.0 + benchmark[i, t]
                excess = r - benchmark[i, t]
                if not np.isnan(excess):
                    pairs += 1
                    delta = excess - excess_mean
                    excess_mean += delta / pairs
                    excess_m2 += delta * (excess - excess_mean)
                if place == WINDOW:
                    _tails(block, tail_mean, tail_m2)
                    place, head_mean, head_m2 = 0, 0.0, 0.0
                block[place] = excess
                place += 1
                delta = excess - head_mean
                head_mean += delta / place
                head_m2 += delta * (excess - head_mean)
                if n >= WINDOW:
                    rolling = _window(place, head_mean, head_m2, tail_mean, tail_m2)
                    windows += not np.isnan(rolling)
                    above += rolling > 0.0
            out.rolling[i, t] = rolling
            if t >= since:
                _write(out, i, t - since, n, mean, m2, m3, m4, downside, last / capital[i] - 1.0, drawdown)
                _write_against(out, i, t - since, n, grown - 1.0, pairs, excess_mean, excess_m2)
                out.share_above[i, t - since] = above / windows if windows else np.nan


@compiled
def _add(n: int, r: float, mean: float, m2: float, m3: float, m4: float) -> tuple[float, float, float, float]:
    """Mean and sums of powers of deviations with the n-th value."""
    delta = r - mean
    part = delta / n
    term = delta * part * (n - 1)
    m4 += term * part * part * (n * n - 3 * n + 3) + 6.0 * part * part * m2 - 4.0 * part * m3
    m3 += term * part * (n - 2) - 3.0 * part * m2
    return mean + part, m2 + term, m3, m4


@compiled
def _tails(block: Floats, mean: Floats, m2: Floats) -> None:
    """Mean and sum of squared deviations of the last 0, 1, … values of a full block."""
    mean[0], m2[0] = 0.0, 0.0
    for k in range(1, WINDOW + 1):
        value = block[WINDOW - k]
        delta = value - mean[k - 1]
        mean[k] = mean[k - 1] + delta / k
        m2[k] = m2[k - 1] + delta * (value - mean[k])


@compiled
def _window(place: int, head_mean: float, head_m2: float, tail_mean: Floats, tail_m2: Floats) -> float:
    """Annualised ratio over the `place` newest values, filled up to a window from the block before."""
    k = WINDOW - place
    mean, m2 = head_mean, head_m2
    if k > 0:
        delta = head_mean - tail_mean[k]
        mean = tail_mean[k] + delta * place / WINDOW
        m2 = head_m2 + tail_m2[k] + delta * delta * place * k / WINDOW
    return _ratio(mean, math.sqrt(m2 / (WINDOW - 1))) * math.sqrt(YEAR)


@compiled
def _ratio(mean: float, deviation: float) -> float:
    return mean / deviation if deviation > LEAST_DEVIATION else np.nan


@compiled
def _write(
    out: Figures, i: int, e: int, n: int, mean: float, m2: float, m3: float, m4: float, downside: float,
    total: float, drawdown: float,
) -> None:  # fmt: skip
    """Write the figures of a strategy by itself."""
    deviation = math.sqrt(m2 / (n - 1)) if n > 1 else np.nan
    annual = (1.0 + total) ** (YEAR / n) - 1.0 if n > 1 and total >= -1.0 else np.nan
    ratio = _ratio(mean, deviation)
    error = np.nan
    if not np.isnan(ratio):
        # Moments as in the papers: m3 / m2^1.5 and m4 / m2², of the sample, not corrected for its size.
        skewness, kurtosis = math.sqrt(n) * m3 / m2**1.5, n * m4 / (m2 * m2)
        variance = spread(ratio, skewness, kurtosis)
        error = math.sqrt(variance / (n - 1)) if variance > 1e-12 else np.nan
    out.sessions[i, e] = n
    out.total_return[i, e] = total
    out.annual_return[i, e] = annual
    out.volatility[i, e] = deviation * math.sqrt(YEAR)
    out.sharpe[i, e] = ratio * math.sqrt(YEAR)
    out.max_drawdown[i, e] = drawdown if n > 0 else np.nan
    out.calmar[i, e] = annual / drawdown if drawdown > 0.0 else np.nan
    out.sortino[i, e] = _ratio(mean, math.sqrt(downside / n)) * math.sqrt(YEAR) if n > 1 else np.nan
    out.ratio[i, e] = ratio
    out.error[i, e] = error


@compiled
def _write_against(out: Figures, i: int, e: int, n: int, benchmark: float, pairs: int, mean: float, m2: float) -> None:
    """Write the figures of a strategy against its benchmark."""
    out.benchmark_return[i, e] = benchmark if n > 0 else np.nan
    out.excess_return[i, e] = out.total_return[i, e] - benchmark
    deviation = math.sqrt(m2 / (pairs - 1)) if pairs > 1 else np.nan
    out.excess_sharpe[i, e] = _ratio(mean, deviation) * math.sqrt(YEAR)


@compiled
def spread(ratio: float, skewness: float, kurtosis: float) -> float:
    """Variance of a Sharpe ratio's estimate × (n − 1), the ratio not annualised (Bailey, López de Prado 2012)."""
    return 1.0 - skewness * ratio + (kurtosis - 1.0) / 4.0 * ratio * ratio


@compiled
def sessions_needed(margin: float, variance: float) -> float:
    """Length of a track record that shows a ratio by that margin at 0.95; `variance` as `spread` gives it."""
    return 1.0 + variance * (CONFIDENCE_QUANTILE / margin) ** 2


@compiled
def _normal(x: float) -> float:
    """Cumulative distribution of the standard normal."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


@compiled
def _weigh(
    sessions: Codes, ratio: Floats, error: Floats, owner: Codes, expected: Floats, trials: Integers, out: Luck
) -> None:
    """Go session by session: first the spread of each owner's Sharpe ratios, then the figures of each strategy."""
    owners = trials.shape[0]
    for e in range(ratio.shape[1]):
        count, mean, m2 = np.zeros(owners, np.int64), np.zeros(owners), np.zeros(owners)
        for i in range(ratio.shape[0]):
            if sessions[i, e] >= TRIAL_SESSIONS and not np.isnan(ratio[i, e]):
                who = owner[i]
                count[who] += 1
                delta = ratio[i, e] - mean[who]
                mean[who] += delta / count[who]
                m2[who] += delta * (ratio[i, e] - mean[who])
        for i in range(ratio.shape[0]):
            who, sharpe, deviation = owner[i], ratio[i, e], error[i, e]
            among = math.sqrt(m2[who] / (count[who] - 1)) if count[who] > 1 else deviation
            luckiest = among * expected[trials[who, e]]
            out.psr[i, e] = _normal(sharpe / deviation)
            out.deflated_sharpe[i, e] = _normal((sharpe - luckiest) / deviation)
            variance = deviation * deviation * (sessions[i, e] - 1)
            out.min_track_record[i, e] = sessions_needed(sharpe, variance) if sharpe > 0.0 else np.nan
