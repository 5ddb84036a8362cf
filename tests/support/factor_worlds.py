"""Made-up factors for tests: panels (sessions × symbols, nan: none) and the long frames that the engine takes."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from countersign.domain.arrays import Floats

FIRST = date(2023, 10, 2)


def calendar(count: int) -> list[date]:
    """Weekdays, as if there were no holidays; they run over the end of a year after 65."""
    days = (FIRST + timedelta(days) for days in range(2 * count + 7))
    return [day for day in days if day.weekday() < 5][:count]


def names(count: int) -> list[str]:
    return [f"{600000 + i:06}.SH" for i in range(count)]


def long(panel: Floats, column: str = "value") -> pl.DataFrame:
    """A panel's values: session, symbol, and the column."""
    t, s = np.nonzero(~np.isnan(panel))
    days, symbols = pl.Series(calendar(len(panel))), pl.Series(names(panel.shape[1]))
    return pl.DataFrame({"session": days.gather(t), "symbol": symbols.gather(s), column: panel[t, s]})


def prices(rng: np.random.Generator, sessions: int, symbols: int) -> Floats:
    return np.exp(np.cumsum(rng.normal(0, 0.02, (sessions, symbols)), axis=0))


def forward(closes: Floats, by: int = 1) -> Floats:
    """c[t+by+1] / c[t+by] − 1, in the rows of the closes."""
    result = np.full_like(closes, np.nan)
    result[: -by - 1] = closes[by + 1 :] / closes[by:-1] - 1
    return result
