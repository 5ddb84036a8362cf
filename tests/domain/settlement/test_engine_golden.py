"""Settlements worked out by hand, to the fen: the worked example of the rules, and one for every corner of them."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from countersign.domain.settlement.engine import settle
from countersign.domain.settlement.marks import next_marks
from tests.support import frames

GOLDEN = Path(__file__).parents[2] / "golden" / "settlement"


def as_text(row: tuple[Any, ...]) -> list[Any]:
    """A row as JSON has it: money as text."""
    return [value if value is None or isinstance(value, str | float) else str(value) for value in row]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_a_case_settles_as_worked_by_hand(path: Path) -> None:
    case = json.loads(path.read_text("utf-8"))
    terms = frames.terms({"strategy": "hand", **case["terms"]})
    books, holdings, marks = frames.no_books(), frames.no_holdings(), frames.no_marks()
    for day in case["sessions"]:
        session = date.fromisoformat(day["session"])
        bars = frames.bars(session, day["bars"])
        settled = settle(
            session,
            terms=terms,
            books=books,
            holdings=holdings,
            signals=frames.signals({"hand": day["signal"] or {}}),
            bars=bars,
            marks=marks,
            actions=frames.actions(tuple(row) for row in day.get("actions", [])),
            benchmarks=frames.benchmarks(),
        )
        assert [as_text(row) for row in settled.orders.drop("strategy", "session").rows()] == day["orders"]
        assert [as_text(row) for row in settled.positions.drop("strategy", "session").rows()] == day["positions"]
        nav = settled.nav.row(0, named=True)
        assert (str(nav["cash"]), str(nav["nav"]), nav["detail"]) == (day["cash"], day["nav"], day["detail"])
        books, holdings, marks = settled.nav, settled.positions, next_marks(session, marks, bars)


def test_a_settled_day_has_the_returns_and_events_by_hand() -> None:
    terms = frames.terms({"strategy": "a", "universe": "csi500"}, {"strategy": "b"}, {"strategy": "silent"})
    day = date(2025, 1, 2)
    bars = frames.bars(day, [{"symbol": "600000.SH", "open": 10.0, "close": 11.0}])
    settled = settle(
        day,
        terms=terms,
        books=frames.no_books(),
        holdings=frames.no_holdings(),
        signals=frames.signals({"a": {"600000.SH": 0.5}, "b": {"600000.SH": 0.0}}),
        bars=bars,
        marks=frames.no_marks(),
        actions=frames.actions(),
        benchmarks=frames.benchmarks({"csi500": 0.01}),
    )
    a, b = settled.nav.to_dicts()
    # 49,900 shares at 10.02 cost 499,998.00 and 150.00 commission, but 50,000 are bought: 501,000.00 and 150.30.
    assert (a["strategy"], str(a["nav"]), a["benchmark_return"]) == ("a", "1048849.70", 0.01)
    assert a["daily_return"] == a["cumulative_return"] == pytest.approx(0.0488497, abs=1e-12)
    assert (b["strategy"], str(b["nav"]), b["benchmark_return"]) == ("b", "1000000.00", None)
    assert (b["event"], b["detail"], b["since_rebalance"]) == ("REBALANCE", "bought 0, sold 0", 0)
