"""Every figure of a factor by the letter of its definition: pandas and scipy, a session at a time, nothing shared."""

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from countersign.domain.arrays import Floats
from tests.support.factor_worlds import calendar


def counts(f: pd.Series, r: pd.Series) -> bool:
    return len(f) >= 10 and f.nunique() > 1 and r.nunique() > 1


def ic_of(f: pd.Series, r: pd.Series) -> float:
    both = f.notna() & r.notna()
    return float(stats.spearmanr(f[both], r[both]).statistic) if counts(f[both], r[both]) else math.nan


def quintiles(f: pd.Series) -> pd.Series:
    return np.ceil(5 * f.rank() / len(f) - 1e-12).astype(int)


def turnover_of(now: pd.Series, before: pd.Series) -> float:
    if any(len(f) < 10 or f.nunique() == 1 for f in (now, before)):
        return math.nan
    shares = []
    for quintile in (1, 5):
        members, old = (set(f.index[quintiles(f) == quintile]) for f in (now, before))
        shares.append(len(members - old) / len(members) if members else math.nan)
    return sum(shares) / 2


def newey_west_t(ic: pd.Series) -> float:
    """Newey and West (1987), equations 5 and 6, for a mean."""
    n, e = len(ic), (ic - ic.mean()).to_list()
    omega = sum(x * x for x in e)
    for j in range(1, 6):
        omega += 2 * (1 - j / 6) * sum(e[t] * e[t - j] for t in range(j, n))
    return float(ic.mean() / math.sqrt(omega / n / n))


def slow_report(values: Floats, closes: Floats) -> dict[str, Any]:
    """Figures as in domain.factors.validation.FactorReport; nan where undefined. The closes go on after the values."""
    f, c = pd.DataFrame(values), pd.DataFrame(closes)
    days = pd.DatetimeIndex(calendar(len(values)))
    decay = []
    for k in range(1, 6):
        r = (c.shift(-k - 1) / c.shift(-k) - 1).iloc[: len(f)]
        decay.append(pd.Series([ic_of(f.loc[t], r.loc[t]) for t in f.index]))
    ic, r = decay[0], (c.shift(-2) / c.shift(-1) - 1).iloc[: len(f)]
    rows = []
    for t in f.index:
        pairs = pd.concat([f.loc[t], r.loc[t]], axis=1, keys=["f", "r"]).dropna()
        counted = not math.isnan(ic[t])
        rows.append(pairs.r.groupby(quintiles(pairs.f)).mean() if counted else pd.Series(dtype=float))
    by_quintile = pd.DataFrame(rows, index=f.index).reindex(columns=range(1, 6))
    ls = by_quintile[5] - by_quintile[1]
    turnover = pd.Series([math.nan, *(turnover_of(f.loc[t].dropna(), f.loc[t - 1].dropna()) for t in f.index[1:])])
    sharpe = ls.mean() / ls.std() * math.sqrt(252)
    yearly = []
    for year in sorted({day.year for day in days}):
        here = days.year == year
        wealth = np.concatenate([[1.0], (1 + ls[here].dropna()).cumprod()])
        yearly.append(
            {
                "year": year,
                "ic_mean": ic[here].mean(),
                "ic_ir": ic[here].mean() / ic[here].std(),
                "returns": wealth[-1] - 1,
                "drawdown": max(1 - wealth[i] / max(wealth[: i + 1]) for i in range(len(wealth))),
                "turnover": turnover[here].mean(),
                "days": int(f[here].notna().any(axis=1).sum()),
            }
        )
    return {
        "ic": ic,
        "ls_return": ls,
        "cumulative": (1 + ls.fillna(0)).cumprod(),
        "quintiles": by_quintile,
        "ic_mean": ic.mean(),
        "ic_ir": ic.mean() / ic.std(),
        "ic_decay": [series.mean() for series in decay],
        "turnover": turnover.mean(),
        "sharpe": sharpe,
        "fitness": sharpe * math.sqrt(abs(ls.mean() * 252) / max(turnover.mean(), 0.02)),
        "data_days": int(f.notna().any(axis=1).sum()),
        "newey_west_t": newey_west_t(ic.dropna()),
        "ic_positive_share": float((np.sign(ic.dropna()) == np.sign(ic.mean())).mean()),
        "yearly_stats": yearly,
    }


def slow_correlation(ours: Floats, theirs: Floats) -> float:
    """Mean over sessions of the correlation of two factors' values."""
    found = [ic_of(pd.Series(mine), pd.Series(other)) for mine, other in zip(ours, theirs, strict=True)]
    return float(np.nanmean(found))
