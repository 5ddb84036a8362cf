"""Delistings: holdings that are no longer listed become cash, nothing, or shares of another symbol."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from countersign.domain.settlement.delistings import DELISTINGS_SCHEMA
from countersign.domain.settlement.engine import Settled, settle
from countersign.models.datasets import MARKS
from countersign.models.errors import InputError
from tests.support import frames

FIRST, SECOND = date(2025, 1, 2), date(2025, 1, 3)
GONE, HEIR = "600999.SH", "600150.SH"


def delistings(*rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=DELISTINGS_SCHEMA, orient="row")


def marks(**closes: float) -> pl.DataFrame:
    rows = [(f"{symbol[1:]}.SH", FIRST, FIRST, close, 2.0) for symbol, close in sorted(closes.items())]
    return pl.DataFrame(rows, schema=MARKS.schema, orient="row")


def exchanged(rows: pl.DataFrame, weights: dict[str, float] | None = None, held: float = 0.5) -> Settled:
    """Hold half of 1,000,000 CNY in GONE at 10.00, without costs, and settle the session on which it is gone."""
    terms = frames.terms({"strategy": "a", "commission_rate": 0.0, "slippage_rate": 0.0})
    bar = {"symbol": GONE, "open": 10.0, "close": 10.0, "adj_factor": 2.0}
    first = settle(
        FIRST,
        terms=terms,
        books=frames.no_books(),
        holdings=frames.no_holdings(),
        signals=frames.signals({"a": {GONE: held}}),
        bars=frames.bars(FIRST, [bar]),
        marks=frames.no_marks(),
        actions=frames.actions(),
        benchmarks=frames.benchmarks(),
    )
    others = [{"symbol": HEIR, "open": 20.0, "close": 21.0, "adj_factor": 2.0}]
    return settle(
        SECOND,
        terms=terms,
        books=first.nav,
        holdings=first.positions,
        signals=frames.signals({"a": weights} if weights else {}),
        bars=frames.bars(SECOND, others),
        marks=marks(s600999=10.0, s600150=20.0),
        actions=frames.actions(),
        benchmarks=frames.benchmarks(),
        delistings=rows,
    )


def order(settled: Settled) -> tuple[Any, ...]:
    (row,) = settled.orders.filter(symbol=GONE).rows(named=True)
    money = [str(row[name]) for name in ("notional", "commission", "stamp_duty")]
    return row["side"], row["wanted"], row["filled"], row["price"], *money, row["reason"]


def test_cash_is_paid_for_each_share() -> None:
    settled = exchanged(delistings((GONE, 3.21, None, None)))
    assert order(settled) == ("sell", 50_000, 50_000, 3.21, "160500.00", "0.00", "0.00", "DELISTED")
    (nav,) = settled.nav.rows(named=True)
    assert (str(nav["cash"]), str(nav["nav"]), nav["event"]) == ("660500.00", "660500.00", "HOLD")
    assert nav["detail"] == "no signal, exchanged 1 (DELISTED)"
    assert settled.positions.is_empty()


def test_a_write_off_leaves_nothing() -> None:
    settled = exchanged(delistings((GONE, 0.0, None, None)))
    assert order(settled)[3:5] == (0.0, "0.00")
    assert str(settled.nav["nav"].item()) == "500000.00"


def test_shares_of_a_successor_are_whole_ones_and_marked_at_its_close() -> None:
    settled = exchanged(delistings((GONE, 0.0, HEIR, 0.13355)))
    assert settled.positions.select("symbol", "quantity", "close").rows() == [(HEIR, 6677.0, 21.0)]  # 6,677.5
    assert str(settled.nav["nav"].item()) == "640217.00"  # 500,000 + 6,677 × 21


def test_a_delisting_pays_shares_and_cash_together() -> None:
    settled = exchanged(delistings((GONE, 1.5, HEIR, 0.5)))
    assert str(settled.nav["nav"].item()) == "1100000.00"  # 500,000 + 75,000 + 25,000 × 21


def test_shares_of_a_successor_can_be_traded_at_once() -> None:
    settled = exchanged(delistings((GONE, 2.0, None, None)), {HEIR: 0.5})
    # Equity 600,000, at 20.00: 15,000 shares.
    assert settled.orders.select("symbol", "side", "filled").rows() == [
        (HEIR, "buy", 15_000),
        (GONE, "sell", 50_000),
    ]
    assert settled.nav["detail"].item() == "bought 1, sold 0, exchanged 1 (DELISTED)"


def test_a_signal_for_the_symbol_alone_is_all_cash() -> None:
    settled = exchanged(delistings((GONE, 2.0, None, None)), {GONE: 1.0})
    assert settled.orders.height == 1
    assert settled.nav.select("event", "detail").row(0) == (
        "REBALANCE",
        "bought 0, sold 0, exchanged 1 (DELISTED)",
    )


def test_a_symbol_that_is_still_traded_is_not_exchanged() -> None:
    settled = exchanged(delistings((HEIR, 2.0, None, None)), {HEIR: 0.5})
    assert settled.orders.filter(reason="DELISTED").is_empty()


def test_a_symbol_without_a_value_stays_at_its_last_close() -> None:
    settled = exchanged(delistings((GONE, None, None, None)))
    assert settled.nav["detail"].item() == (
        "no signal, 600999.SH delisted without a known value: kept at the last close"
    )
    assert settled.orders.is_empty()
    assert settled.positions.select("symbol", "quantity", "close").rows() == [(GONE, 50_000.0, 10.0)]
    assert str(settled.nav["nav"].item()) == "1000000.00"


@pytest.mark.parametrize("row", [(GONE, -1.0, None, None), (GONE, 0.0, HEIR, None), (GONE, 0.0, None, 1.0)])
def test_half_a_delisting_is_refused(row: tuple[Any, ...]) -> None:
    with pytest.raises(InputError, match="delistings"):
        exchanged(delistings(row))
