"""Corporate actions: compared with the bars of their ex-session, and the journal's with a reader's. Pure.

An action moves the price from the last close to (close − cash) / (1 + bonus), and an adjustment factor the other way.
An invented one makes money or shares of nothing, and moves neither.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import polars as pl

from countersign.domain.market.quotes import tradable

# A factor bears an action out if its own step is within a quarter of the action's; vendors round factors.
LIKE_FACTOR, ROUNDED_FACTOR = 0.25, 1e-3
SAME = 1e-9


class Action(NamedTuple):
    """A corporate action: cash in CNY and new shares, each for one share held."""

    cash: float
    bonus: float


def unborne() -> pl.Expr:
    """Whether a bar's action is borne out by neither its factor nor its open; false for a bar without a trade.

    Over the columns cash, bonus, open, adj_factor, suspended and volume of the bar, and mark_close and mark_factor of
    the bar before. The open bears an action out if it lies nearer to the price after the action than to the last close.
    """
    close = pl.col("mark_close")
    after = (close - pl.col("cash")) / (1.0 + pl.col("bonus"))
    step = (close / after).log()
    by_factor = ((pl.col("adj_factor") / pl.col("mark_factor")).log() - step).abs() <= pl.max_horizontal(
        LIKE_FACTOR * step.abs(), ROUNDED_FACTOR
    )
    by_price = (pl.col("open") / after).log().abs() < (pl.col("open") / close).log().abs()
    moves = (pl.col("cash") > 0) | (pl.col("bonus") != 0)
    borne_out = (after > 0) & (by_factor.fill_null(value=False) | by_price.fill_null(value=False))
    return tradable() & (close > 0) & moves & ~borne_out


def unborne_actions(actions: pl.DataFrame, bars: pl.DataFrame, marks: pl.DataFrame) -> list[str]:
    """List the symbols whose action the session's bars do not bear out; frames as models.datasets and
    domain.market.quotes.
    """
    before = marks.select("symbol", mark_close="close", mark_factor="adj_factor")
    known = actions.join(bars, on="symbol").join(before, on="symbol")
    return known.filter(unborne())["symbol"].unique().sort().to_list()


def actions_of(frame: pl.DataFrame) -> dict[str, Action]:
    """Return a session's actions (symbol, cash, bonus) by their symbols."""
    return {symbol: Action(cash, bonus) for symbol, cash, bonus in frame.select("symbol", "cash", "bonus").iter_rows()}


def differences(ours: Mapping[str, Action], theirs: Mapping[str, Action], symbols: Iterable[str]) -> list[str]:
    """Name the symbols whose action in the journal (`ours`) differs from the reader's, with both values."""
    told = []
    for symbol in sorted(set(symbols) & (ours.keys() | theirs.keys())):
        one, other = ours.get(symbol), theirs.get(symbol)
        if one is None or other is None or max(abs(one.cash - other.cash), abs(one.bonus - other.bonus)) > SAME:
            told.append(f"{symbol}: {_said(one)} in the journal, {_said(other)} in the actions given")
    return told


def _said(action: Action | None) -> str:
    return f"cash {action.cash:g}, bonus {action.bonus:g}" if action else "none"
