"""The quality gate, rule by rule: a clean session, then one thing wrong at a time."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl
import pytest

from countersign.domain.market.quality import inspect, verdict
from countersign.domain.market.quality_rules import Context
from countersign.models.enums import Severity, Universe
from countersign.models.quality import Finding
from tests.support.frames import bars, listings, no_marks

SESSION, BEFORE = date(2025, 1, 3), date(2025, 1, 2)
SYMBOLS = ("600000.SH", "000001.SZ", "300750.SZ", "688001.SH", "920001.BJ")


def session_bars(**changed: Any) -> pl.DataFrame:
    """Five good bars; `changed` applies to the first, 600000.SH."""
    rows = [{"symbol": symbol, "open": 10.0, "close": 10.2} for symbol in SYMBOLS]
    rows[0] |= changed
    return bars(SESSION, rows)


def previous_marks(close: float = 10.0, factor: float | None = 1.0) -> pl.DataFrame:
    rows = [(symbol, BEFORE, BEFORE, close, factor) for symbol in SYMBOLS]
    return pl.DataFrame(rows, schema=no_marks().schema, orient="row")


def findings(frame: pl.DataFrame, **known: Any) -> list[Finding]:
    return inspect(SESSION, frame, Context(**known))


def rules(found: Sequence[Finding]) -> dict[str, Severity]:
    return {finding.rule: finding.severity for finding in found}


def test_good_bars_pass() -> None:
    found = findings(
        session_bars(),
        recent_rows=[5] * 20,
        needed=[Universe.HS300],
        held=SYMBOLS,
        before=bars_before(),
        marks=previous_marks(),
    )
    assert found == []
    assert verdict(found) == "pass"


def test_no_bars_hold() -> None:
    found = findings(session_bars().clear())
    assert rules(found) == {"no bars": Severity.HOLD}
    assert verdict(found) == "hold"


def test_duplicates_hold() -> None:
    frame = session_bars()
    (finding,) = findings(pl.concat([frame, frame.head(2)]))
    assert (finding.rule, finding.severity, finding.count) == ("duplicate symbols", Severity.HOLD, 2)
    assert finding.symbols == ("000001.SZ", "600000.SH")


@pytest.mark.parametrize("price", [0.0, None])
@pytest.mark.parametrize("column", ["open", "close", "high", "low"])
def test_a_price_of_nothing_holds(column: str, price: float | None) -> None:
    found = findings(session_bars(**{"high": 10.5, "low": 9.9, column: price}))
    assert rules(found)["bad price"] is Severity.HOLD
    assert found[0].symbols == ("600000.SH",)


@pytest.mark.parametrize("still", [{"suspended": True}, {"volume": 0.0}])
def test_a_bar_that_is_not_tradable_may_have_any_price(still: dict[str, Any]) -> None:
    assert findings(session_bars(open=None, close=10.2, high=0.0, low=0.0, **still)) == []


@pytest.mark.parametrize(
    ("changed", "held"),
    [
        ({"high": 10.1}, True),
        ({"low": 10.1}, True),
        ({"high": 9.0, "low": 9.5}, True),
        ({"high": 10.2, "low": 10.0}, False),
        ({"high": 10.3, "low": 9.8}, False),
    ],
)
def test_disorder_holds(changed: dict[str, Any], held: bool) -> None:
    assert rules(findings(session_bars(**changed))) == ({"price disorder": Severity.HOLD} if held else {})


@pytest.mark.parametrize(
    ("recent_rows", "held"),
    [
        ([], False),
        ([5], False),
        ([6], True),  # 5 < 5.4
        ([5, 5, 50], False),  # the median is 5
        ([1000] * 5 + [5] * 20, False),  # only the last 20 count
        ([5] * 20 + [1000] * 11, True),
    ],
)
def test_few_rows_hold(recent_rows: list[int], held: bool) -> None:
    assert rules(findings(session_bars(), recent_rows=recent_rows)) == ({"too few rows": Severity.HOLD} if held else {})


def test_exactly_nine_tenths_are_enough() -> None:
    frame = bars(SESSION, [{"symbol": f"60{i:04d}.SH", "open": 1.0, "close": 1.0} for i in range(9)])
    assert findings(frame, recent_rows=[10] * 20) == []


def test_a_missing_benchmark_holds() -> None:
    found = findings(session_bars(), present=[Universe.HS300], needed=[Universe.HS300, Universe.CSI500])
    assert rules(found) == {"missing index": Severity.HOLD}
    assert "csi500" in found[0].detail


def bars_before(*more: str) -> pl.DataFrame:
    return bars(BEFORE, [{"symbol": symbol, "open": 10.0, "close": 10.0} for symbol in (*SYMBOLS, *more)])


def test_more_than_a_fifth_of_the_held_symbols_absent_hold() -> None:
    gone = ("600001.SH", "600002.SH")
    found = findings(session_bars(), held=[*SYMBOLS, *gone], before=bars_before(*gone))
    assert rules(found) == {"absent symbols": Severity.HOLD}
    assert found[0].symbols == gone
    assert rules(findings(session_bars(), held=[*SYMBOLS[:1], "600001.SH"], before=bars_before(*gone))) == {
        "absent symbols": Severity.WARN  # one symbol is its own affair
    }


def test_a_symbol_without_a_bar_before_or_no_longer_listed_is_not_missed() -> None:
    gone = [f"6000{n:02}.SH" for n in range(30)]
    assert findings(session_bars(), held=[*SYMBOLS, *gone], before=bars_before()) == []
    assert findings(session_bars(), held=[*SYMBOLS, *gone], before=bars_before(*gone), delisted=gone) == []


def test_a_delivery_that_repeats_the_day_before_holds() -> None:
    rows = [{"symbol": f"60{n:04}.SH", "open": 9.0, "close": 9 + n / 100, "volume": 1e6 + n} for n in range(40)]
    again = findings(bars(SESSION, rows), before=bars(BEFORE, rows))
    assert rules(again) == {"repeated bars": Severity.HOLD}
    assert again[0].count == 40
    moved = [row | {"volume": row["volume"] + 1} for row in rows[:4]] + rows[4:]
    assert findings(bars(SESSION, moved), before=bars(BEFORE, rows)) == []
    # Prices that are all alike were made up, and say nothing.
    flat = [row | {"close": 10.0, "volume": 1e6} for row in rows]
    assert findings(bars(SESSION, flat), before=bars(BEFORE, flat)) == []


@pytest.mark.parametrize(("amount", "warned"), [(1e7, False), (1e9, True), (1e4, True), (None, False)])
def test_lots_and_thousands_are_warned_of(amount: float | None, warned: bool) -> None:
    found = findings(session_bars(amount=amount, volume=1e6))
    assert rules(found) == ({"units": Severity.WARN} if warned else {})


def test_a_rounding_error_is_no_disorder() -> None:
    assert findings(session_bars(open=11.530000000000001, high=11.53, low=11.53, close=11.53)) == []
    assert rules(findings(session_bars(open=11.54, high=11.53, low=11.53, close=11.53))) == {
        "price disorder": Severity.HOLD
    }


def test_a_price_a_thousand_times_that_of_the_bar_before_holds() -> None:
    far = session_bars(open=10_000.0, close=10_020.0, low=10_000.0, high=10_020.0, limit_up=1e6)
    assert rules(findings(far, marks=previous_marks())) == {"price jump": Severity.HOLD}


def test_a_new_listing_has_no_limit_and_warns_where_it_is_presumed() -> None:
    far = session_bars(close=15.0, high=15.0)
    new = listings([("600000.SH", BEFORE, 2)])
    assert findings(far, marks=previous_marks(), listings=new) == []
    assert rules(findings(far, marks=previous_marks(), listings=new, presumed=["600000.SH"])) == {
        "presumed listing": Severity.WARN
    }


def test_a_delisted_holding_without_a_value_is_a_finding() -> None:
    (finding,) = findings(session_bars(), valueless=["600999.SH"])
    assert (finding.rule, finding.symbols) == ("no delisting value", ("600999.SH",))


@pytest.mark.parametrize(
    ("close", "warned"),
    [(11.0, False), (11.01, False), (11.02, True), (9.0, False), (8.99, False), (8.98, True)],
)
def test_a_move_beyond_the_limit_by_more_than_a_tick_warns(close: float, warned: bool) -> None:
    found = findings(session_bars(close=close, high=max(10.0, close), low=min(10.0, close)), marks=previous_marks())
    assert rules(found) == ({"beyond limit": Severity.WARN} if warned else {})
    assert verdict(found) == ("warn" if warned else "pass")


def test_limits_follow_the_board_the_basis_and_the_bars_own() -> None:
    far = {"close": 15.0, "high": 15.0}
    assert findings(session_bars(**far), marks=no_marks()) == []  # no earlier bar: no limit
    assert findings(session_bars(**far, limit_up=15.0, limit_down=5.0), marks=previous_marks()) == []
    split = {"open": 5.0, "close": 5.1, "high": 5.1, "low": 5.0, "adj_factor": 2.0}
    assert findings(session_bars(**split), marks=previous_marks()) == []
    assert rules(findings(session_bars(**split | {"adj_factor": 1.0}), marks=previous_marks())) == {
        "beyond limit": Severity.WARN
    }
    special = {"close": 10.6, "high": 10.6, "is_st": True}  # 5 % for a share under special treatment
    assert rules(findings(session_bars(**special), marks=previous_marks())) == {"beyond limit": Severity.WARN}


def test_volume_without_amount_warns() -> None:
    assert rules(findings(session_bars(amount=0.0))) == {"zero amount": Severity.WARN}
    assert findings(session_bars(amount=None)) == []


def test_a_falling_factor_is_named() -> None:
    found = findings(session_bars(adj_factor=1.009), marks=previous_marks(factor=1.01))
    assert rules(found) == {"falling factor": Severity.WARN}
    assert found[0].count == 5
    assert findings(session_bars(), marks=previous_marks(factor=None)) == []


def test_a_consolidation_is_no_fault() -> None:
    doubled = session_bars(open=20.0, close=20.2, high=20.2, low=20.0, adj_factor=0.5)
    earlier = previous_marks(factor=1.0)
    assert findings(doubled, marks=earlier) == []


def test_a_sample_of_symbols_is_kept_not_all() -> None:
    rows = [{"symbol": f"60{i:04d}.SH", "open": 0.0, "close": 1.0, "amount": None} for i in range(40)]
    (finding,) = findings(bars(SESSION, rows))
    assert finding.count == 40
    assert finding.symbols == tuple(f"60{i:04d}.SH" for i in range(10))
