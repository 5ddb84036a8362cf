"""Sample strategies: portfolios that anybody could have sent, from nothing but the past."""

from datetime import date, timedelta

import polars as pl
import pytest

from countersign.domain.market.simulation import SampleMarket, simulate
from countersign.domain.signals.payload import check_portfolios
from countersign.domain.signals.samples import LOOKBACK_SESSIONS, sample_signals, sample_strategies

DAYS = [date(2025, 1, 6) + timedelta(n) for n in range(LOOKBACK_SESSIONS + 9)]
TRADED = DAYS[LOOKBACK_SESSIONS + 1 :]


@pytest.fixture(scope="module")
def market() -> SampleMarket:
    """A market of 60 symbols."""
    return simulate(60, DAYS, seed=3)


def test_six_kinds_of_valid_portfolios_for_each_session_but_those_that_are_missed(market: SampleMarket) -> None:
    signals = sample_signals(market.bars, TRADED)
    slugs = [terms.slug for terms in sample_strategies()]
    assert len(set(slugs)) == 6
    counts = signals.group_by("strategy").agg(pl.col("session").n_unique())
    assert dict(counts.iter_rows()) == dict.fromkeys(slugs, 8) | {"sample-misses-days": 6}
    for _, frame in signals.group_by("session"):
        check_portfolios(frame.drop("session"))


def test_a_signal_knows_nothing_of_its_own_session_or_later(market: SampleMarket) -> None:
    today = TRADED[3]
    known = sample_signals(market.bars.filter(pl.col("session") < today), [today])
    shuffled = market.bars.sample(fraction=1, shuffle=True, seed=1)
    changed = shuffled.with_columns(
        pl.when(pl.col("session") >= today).then(pl.col("close") * 3).otherwise("close").alias("close")
    )
    assert sample_signals(changed, [today]).equals(known)
    assert known.height > 0


def test_momentum_holds_what_gained_most(market: SampleMarket) -> None:
    today = TRADED[0]
    window = DAYS[:-8]
    prices: dict[str, dict[date, float]] = {}
    for row in market.bars.iter_rows(named=True):
        prices.setdefault(row["symbol"], {})[row["session"]] = row["close"] * (row["adj_factor"] or 1.0)
    gains = {
        symbol: of[window[-1]] / of[window[0]] - 1
        for symbol, of in prices.items()
        if all(session in of for session in window)
    }
    best = sorted(gains, key=lambda symbol: (-gains[symbol], symbol))[:20]
    found = sample_signals(market.bars, [today]).filter(pl.col("strategy") == "sample-momentum")
    assert sorted(found["symbol"]) == sorted(best)
    assert set(found["weight"]) == {0.049}
