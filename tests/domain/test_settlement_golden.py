"""The worked example of the settlement rules, to the fen."""

from datetime import date
from decimal import Decimal

from domain.quotes import next_marks
from domain.settlement import settle
from tests.support import frames

DAY1, DAY2 = date(2025, 1, 2), date(2025, 1, 3)
ROWS = [
    {"symbol": "600000.SH", "open": 10.0, "close": 10.2},
    {"symbol": "688001.SH", "open": 50.0, "close": 51.0},
    {"symbol": "600519.SH", "open": 1500.0, "close": 1505.0},
]


def test_the_worked_example() -> None:
    terms = frames.terms({"strategy": "example"})
    first = settle(
        DAY1,
        terms=terms,
        books=frames.no_books(),
        holdings=frames.no_holdings(),
        signals=frames.signals({"example": {"600000.SH": 0.5, "688001.SH": 0.4, "600519.SH": 0.1}}),
        bars=frames.bars(DAY1, ROWS),
        marks=frames.no_marks(),
        actions=frames.actions(),
        benchmarks=frames.benchmarks({"hs300": 0.01}),
    )
    assert first.orders.drop("strategy", "session").rows() == [
        ("600000.SH", "buy", 50000.0, 50000.0, 10.02, Decimal("501000.00"), Decimal("150.30"), Decimal("0.00"), None),
        (
            "600519.SH",
            "buy",
            1_000_000 * 0.1 / 1500,
            0.0,
            None,
            Decimal("0.00"),
            Decimal("0.00"),
            Decimal("0.00"),
            "BELOW_LOT",
        ),
        ("688001.SH", "buy", 8000.0, 8000.0, 50.1, Decimal("400800.00"), Decimal("120.24"), Decimal("0.00"), None),
    ]
    assert first.positions["market_value"].to_list() == [Decimal("510000.00"), Decimal("408000.00")]
    assert first.nav.select("nav", "cash", "event", "detail", "since_rebalance", "benchmark_return").row(0) == (
        Decimal("1015929.46"),
        Decimal("97929.46"),
        "REBALANCE",
        "bought 2, sold 0, refused 1 (BELOW_LOT 1)",
        0,
        0.01,
    )
    second = settle(
        DAY2,
        terms=terms,
        books=first.nav,
        holdings=first.positions,
        signals=frames.signals({"example": {"600000.SH": 0.2}}),
        bars=frames.bars(DAY2, ROWS),
        marks=next_marks(DAY1, frames.no_marks(), frames.bars(DAY1, ROWS)),
        actions=frames.actions(),
        benchmarks=frames.benchmarks(),
    )
    assert second.orders.drop("strategy", "session").rows() == [
        ("600000.SH", "sell", 30100.0, 30100.0, 9.98, Decimal("300398.00"), Decimal("90.12"), Decimal("150.20"), None),
        ("688001.SH", "sell", 8000.0, 8000.0, 49.9, Decimal("399200.00"), Decimal("119.76"), Decimal("199.60"), None),
    ]
    assert second.positions.drop("strategy").rows() == [(DAY2, "600000.SH", 19900.0, 10.2, Decimal("202980.00"), 1.0)]
    assert second.nav.select("nav", "cash").row(0) == (Decimal("999947.78"), Decimal("796967.78"))
    assert second.nav["daily_return"].item() == 99994778 / 101592946 - 1
    assert second.nav["benchmark_return"].item() is None
