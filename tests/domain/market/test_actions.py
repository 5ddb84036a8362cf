"""Corporate actions that the bars of the ex-session bear out, and those that they do not."""

from datetime import date

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from countersign.domain.market.actions import Action, differences, unborne_actions
from countersign.domain.market.quality import inspect
from countersign.domain.market.quality_rules import Context
from countersign.domain.market.quotes import ACTIONS_SCHEMA
from countersign.models.datasets import MARKS
from countersign.models.enums import Severity
from tests.support.frames import bars

SESSION, BEFORE = date(2025, 1, 3), date(2025, 1, 2)
SYMBOL = "600000.SH"


def doubted(
    cash: float,
    bonus: float,
    *,
    close: float,
    opened: float,
    before: float | None,
    factor: float | None,
    volume: float = 1e6,
) -> bool:
    """Whether the action of one symbol is not borne out: `close` before it, `opened` after."""
    row = {"symbol": SYMBOL, "open": opened, "close": opened, "adj_factor": factor, "volume": volume}
    marks = pl.DataFrame([(SYMBOL, BEFORE, BEFORE, close, before)], schema=MARKS.schema, orient="row")
    actions = pl.DataFrame([(SYMBOL, cash, bonus)], schema=ACTIONS_SCHEMA, orient="row")
    found = unborne_actions(actions, bars(SESSION, [row]), marks)
    told = inspect(SESSION, bars(SESSION, [row]), Context(marks=marks, actions=actions))
    warned = [finding for finding in told if finding.rule == "unborne action"]
    assert bool(found) == bool(warned)
    assert all(finding.severity is Severity.WARN for finding in warned)
    return bool(found)


@pytest.mark.parametrize(
    ("cash", "bonus", "opened", "before", "factor", "expected"),
    [
        (0.0, 1.0, 5.02, None, None, False),  # the price halves
        (0.0, 1.0, 9.98, None, None, True),  # it does not
        (0.0, 1.0, 9.98, 1.0, 2.0, False),  # it does not, and the factor says so
        (0.0, 1.0, 9.98, 1.0, 1.0, True),
        (0.5, 0.0, 9.52, None, None, False),  # 5 % less
        (0.5, 0.0, 10.0, None, 1.0, True),
        (0.5, 0.0, 10.1, 1.3, 1.3 * 10 / 9.5, False),
        (0.5, 0.0, 10.1, 1.3, 1.3, True),
        (0.0, -0.5, 20.3, None, None, False),  # two shares become one
        (0.0, -0.5, 10.1, None, None, True),
        (12.0, 0.0, 10.0, 1.0, 1.0, True),  # more than the share is worth
        (0.0, 0.0, 10.0, None, None, False),  # nothing was paid
    ],
)
def test_an_action_is_doubted_unless_factor_or_price_bears_it_out(
    cash: float, bonus: float, opened: float, before: float | None, factor: float | None, expected: bool
) -> None:
    assert doubted(cash, bonus, close=10.0, opened=opened, before=before, factor=factor) is expected


def test_a_bar_without_a_trade_bears_out_nothing_and_refutes_nothing() -> None:
    assert not doubted(0.0, 1.0, close=10.0, opened=10.0, before=1.0, factor=1.0, volume=0.0)


prices = st.floats(1, 1000)


@given(prices, st.floats(0, 0.5), st.floats(-0.5, 2), st.floats(-0.1, 0.1), st.floats(0.1, 50))
def test_an_action_that_happened_is_never_doubted(
    close: float, paid: float, bonus: float, move: float, before: float
) -> None:
    """The factor of the action bears it out, for any move of the price that morning."""
    cash = close * paid
    after = (close - cash) / (1 + bonus)
    assert not doubted(
        cash, bonus, close=close, opened=after * (1 + move), before=before, factor=before * close / after
    )


@given(prices, st.floats(0.01, 0.5), st.floats(0.01, 2), st.floats(0, 0.1), st.floats(0.1, 50))
def test_an_action_that_never_happened_is_doubted(
    close: float, paid: float, bonus: float, rise: float, before: float
) -> None:
    """Neither factor nor price moved, or the price rose."""
    assert doubted(close * paid, bonus, close=close, opened=close * (1 + rise), before=before, factor=before)
    assert doubted(close * paid, bonus, close=close, opened=close * (1 + rise), before=None, factor=None)


symbols = st.sampled_from(["600000.SH", "000001.SZ", "300750.SZ"])
known = st.dictionaries(symbols, st.builds(Action, st.floats(0, 9), st.floats(-0.9, 9)), max_size=3)


@given(known, known, st.sets(symbols))
def test_each_difference_of_the_needed_actions_is_named(
    ours: dict[str, Action], theirs: dict[str, Action], needed: set[str]
) -> None:
    pairs = [pair for symbol in ours.keys() & theirs.keys() for pair in zip(ours[symbol], theirs[symbol], strict=True)]
    assume(all(one == other or abs(one - other) > 1e-6 for one, other in pairs))
    told = [line.split(":")[0] for line in differences(ours, theirs, needed)]
    assert told == sorted(symbol for symbol in needed if ours.get(symbol) != theirs.get(symbol))
