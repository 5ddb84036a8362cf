"""Bad input is refused by name, before anything is computed; and the newest bars after a session."""

from collections.abc import Callable
from datetime import date

import polars as pl
import pytest

from countersign.domain.settlement import kernel
from countersign.domain.settlement.engine import Settled, settle
from countersign.domain.settlement.marks import next_marks
from countersign.models.datasets import MONEY
from countersign.models.enums import Refusal, Side
from countersign.models.errors import InputError
from tests.support import frames

DAY, NEXT = date(2025, 1, 2), date(2025, 1, 3)
BAR = {"symbol": "600000.SH", "open": 10.0, "close": 10.0}


def good() -> dict[str, pl.DataFrame]:
    return {
        "terms": frames.terms({"strategy": "a"}),
        "books": frames.no_books(),
        "holdings": frames.no_holdings(),
        "signals": frames.signals({"a": {"600000.SH": 0.5}}),
        "bars": frames.bars(DAY, [BAR]),
        "marks": frames.no_marks(),
        "actions": frames.actions(),
        "benchmarks": frames.benchmarks(),
    }


def settled() -> Settled:
    return settle(DAY, **good())


@pytest.mark.parametrize(
    ("field", "named", "make"),
    [
        ("terms", "terms", lambda: frames.terms({"strategy": "a"}, {"strategy": "a"})),
        ("terms", "terms", lambda: frames.terms({"strategy": "a"}).drop("paused")),
        ("terms", "terms", lambda: frames.terms({"strategy": "a", "paused": None})),
        ("terms", "terms.execution_price", lambda: frames.terms({"strategy": "a", "execution_price": "vwap"})),
        ("terms", "terms.initial_capital", lambda: frames.terms({"strategy": "a", "initial_capital": 0})),
        ("terms", "terms.slippage_rate", lambda: frames.terms({"strategy": "a", "slippage_rate": float("nan")})),
        ("terms", "terms.commission_rate", lambda: frames.terms({"strategy": "a", "commission_rate": -0.1})),
        ("terms", "signals", lambda: frames.terms({"strategy": "b"})),
        ("signals", "signals", lambda: pl.concat([frames.signals({"a": {"600000.SH": 0.1}})] * 2)),
        ("signals", "signals.weight", lambda: frames.signals({"a": {"600000.SH": float("nan")}})),
        ("signals", "signals.weight", lambda: frames.signals({"a": {"600000.SH": -0.1}})),
        ("signals", "signals.weight", lambda: frames.signals({"a": {"600000.SH": 1}}).cast({"weight": pl.Int64})),
        ("bars", "bars", lambda: frames.bars(DAY, [BAR, BAR])),
        ("bars", "bars", lambda: frames.bars(NEXT, [BAR])),
        ("bars", "bars", lambda: frames.bars(DAY, [{**BAR, "open": 0.0}])),
        ("bars", "bars", lambda: frames.bars(DAY, [{**BAR, "close": None}])),
        ("bars", "bars", lambda: frames.bars(DAY, [{**BAR, "adj_factor": 0.0}])),
        ("marks", "marks", lambda: next_marks(DAY, frames.no_marks(), frames.bars(DAY, [BAR]))),
        ("actions", "actions", lambda: frames.actions([("600000.SH", 0.1, 0.0)] * 2)),
        ("actions", "actions", lambda: frames.actions([("600000.SH", -0.1, 0.0)])),
        ("actions", "actions", lambda: frames.actions([("600000.SH", 0.0, -1.0)])),
        ("listings", "listings", lambda: frames.listings([("600000.SH", DAY, 1)] * 2)),
        ("benchmarks", "benchmarks", lambda: pl.concat([frames.benchmarks({"hs300": 0.1})] * 2)),
        ("books", "books", lambda: settled().nav),
        ("holdings", "holdings", lambda: settled().positions.with_columns(session=pl.lit(date(2025, 1, 1)))),
    ],
)
def test_bad_input_is_refused(field: str, named: str, make: Callable[[], pl.DataFrame]) -> None:
    with pytest.raises(InputError) as refusal:
        settle(DAY, **{**good(), field: make()})
    assert refusal.value.field == named


def test_a_suspended_bar_may_lack_prices() -> None:
    bar = {**BAR, "open": None, "close": None, "suspended": True}
    orders = settle(DAY, **{**good(), "bars": frames.bars(DAY, [bar])}).orders
    assert orders["reason"].to_list() == ["SUSPENDED"]


def test_state_of_other_strategies_is_ignored() -> None:
    one = settle(DAY, **{**good(), "terms": frames.terms({"strategy": "a"}, {"strategy": "b"})})
    assert one.nav["strategy"].to_list() == ["a"]
    later = {**good(), "books": one.nav, "holdings": one.positions, "bars": frames.bars(NEXT, [BAR])}
    later |= {"terms": frames.terms({"strategy": "b"}), "signals": frames.signals({"b": {"600000.SH": 0.1}})}
    assert settle(NEXT, **later).nav["strategy"].to_list() == ["b"]


def test_a_strategy_paused_before_its_first_rebalance_rebalances_when_resumed() -> None:
    terms = frames.terms({"strategy": "a", "paused": True, "holding_period": 60})
    first = settle(DAY, **{**good(), "terms": terms})
    assert first.nav.select("event", "detail", "since_rebalance", "cash").row(0)[:3] == ("HOLD", "paused", None)
    state = {"books": first.nav, "holdings": first.positions, "bars": frames.bars(NEXT, [BAR])}
    second = settle(NEXT, **{**good(), **state, "terms": terms.with_columns(paused=pl.lit(value=False))})
    assert second.nav.select("event", "since_rebalance").row(0) == ("REBALANCE", 0)


def test_nobody_to_settle_gives_empty_frames() -> None:
    nothing = settle(DAY, **{**good(), "signals": frames.signals({})})
    assert [frame.height for frame in nothing] == [0, 0, 0]
    assert nothing.nav.schema == settled().nav.schema


def test_the_largest_account_and_price_fit() -> None:
    terms = frames.terms(
        {"strategy": "a", "initial_capital": 100_000_000, "commission_rate": 0.0, "slippage_rate": 0.0}
    )
    bars = frames.bars(DAY, [{**BAR, "open": 100_000.0, "close": 100_000.0}])
    rich = settle(DAY, **{**good(), "terms": terms, "bars": bars, "signals": frames.signals({"a": {"600000.SH": 1.0}})})
    assert rich.positions["quantity"].to_list() == [1000.0]
    assert str(rich.nav["nav"].item()) == "100000000.00"
    assert rich.nav.schema["nav"] == MONEY


def test_the_kernel_is_compiled_once_for_all_kinds_of_frames() -> None:
    bars = frames.bars(DAY, [BAR])
    other = frames.bars(DAY, [{**BAR, "symbol": "688001.SH", "limit_up": 11.0, "adj_factor": None, "suspended": False}])
    for made in (bars, pl.concat([bars, other], rechunk=False), pl.concat([bars, other], rechunk=True), bars.clear()):
        first = settle(DAY, **{**good(), "bars": made})
        state = {"books": first.nav, "holdings": first.positions, "bars": frames.bars(NEXT, [BAR])}
        settle(NEXT, **{**good(), **state})
    assert len(kernel._settle.signatures) == 1  # type: ignore[attr-defined]


def test_reasons_and_sides_are_numbered_by_the_alphabet() -> None:
    assert [getattr(kernel, name) for name in sorted(Refusal)] == [1, 2, 3, 4, 5, 6]
    assert [getattr(kernel, name.upper()) for name in sorted(Side)] == [1, 2]
