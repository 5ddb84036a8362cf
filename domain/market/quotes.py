"""Quotes of one session for every symbol, ready for settlement: prices, limits, lots, duty, dividends.

Pure: the session's bars, the marks of the session before, the corporate actions and the new listings in, arrays by
symbol code out.
"""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from countersign.domain.arrays import Floats, Quotes
from countersign.domain.checks import Rule, forbid, of_before, positive, repeated, require
from countersign.domain.market.limits import TENS, Before, limit_prices, printed_fraction, reference_price
from countersign.domain.market.rules import Book, free_of_limits, trading_rules
from countersign.models.datasets import BARS, MARKS, ColumnType

ACTIONS_SCHEMA: dict[str, ColumnType] = {"symbol": pl.String, "cash": pl.Float64, "bonus": pl.Float64}
# Symbols in their first sessions: `age` is 1 in the first.
LISTINGS_SCHEMA: dict[str, ColumnType] = {"symbol": pl.String, "listed": pl.Date, "age": pl.Int32}

# A falling factor is a consolidation where the open is at least so many times nearer to the price that the factor
# gives than to the price before.
DECISIVE = 2.0


def tradable() -> pl.Expr:
    """Whether a bar can be traded: null `suspended` means not suspended, null volume means no trade took place."""
    return ~pl.col("suspended").fill_null(value=False) & positive("volume")


def _unusable(column: str) -> pl.Expr:
    """Whether a value is known, and yet no number above 0."""
    return pl.col(column).is_not_null() & ~positive(column)


_ONE_ROW_A_SYMBOL = tuple(
    Rule(name, name, "one row a symbol", repeated("symbol") | pl.col("symbol").is_null())
    for name in ("bars", "marks", "actions", "listings")
)
_NUMBERS = (
    Rule("bars", "bars", "prices above 0 on a tradable bar", tradable() & ~(positive("open") & positive("close"))),
    *(Rule(name, name, "null or an adj_factor above 0", _unusable("adj_factor")) for name in ("bars", "marks")),
    Rule("marks", "marks", "closes above 0", ~positive("close")),
    Rule(
        "actions",
        "actions",
        "cash of 0 or more and a bonus above -1",
        ~(
            (pl.col("cash") >= 0) & (pl.col("bonus") > -1) & pl.all_horizontal(pl.col("cash", "bonus").is_finite())
        ).fill_null(value=False),
    ),
)
_DAY: tuple[str | pl.Expr, ...] = (
    "symbol",
    "open",
    "high",
    "low",
    "close",
    "adj_factor",
    # 0 is no limit, as null is.
    *(pl.when(positive(limit)).then(limit).alias(limit) for limit in ("limit_up", "limit_down")),
    tradable().alias("tradable"),
    pl.col("is_st").fill_null(value=False),
    pl.lit(value=True).alias("known"),
)


def check_market(
    session: date, bars: pl.DataFrame, marks: pl.DataFrame, actions: pl.DataFrame, listings: pl.DataFrame
) -> None:
    """Refuse market data that the quality gate should have held back, and frames of another session.

    A tradable bar needs an open and a close above 0; an adjustment factor may be null, but not 0 or less.
    """
    require("bars", bars, BARS.schema)
    require("marks", marks, MARKS.schema)
    require("actions", actions, ACTIONS_SCHEMA)
    require("listings", listings, LISTINGS_SCHEMA)
    strangers = Rule("bars", "bars", f"bars of {session}", (pl.col("session") != session).fill_null(value=True))
    rules = (*_ONE_ROW_A_SYMBOL, strangers, of_before("marks", session), *_NUMBERS)
    forbid({"bars": bars, "marks": marks, "actions": actions, "listings": listings}, rules)


def quotes(
    session: date,
    symbols: pl.Series,
    bars: pl.DataFrame,
    marks: pl.DataFrame,
    actions: pl.DataFrame,
    listings: pl.DataFrame | None = None,
    book: Book = Book.CURRENT,
) -> Quotes:
    """Quotes of `symbols` (ascending, unique), in that order.

    A bar's own limits above 0 win; otherwise they follow from the reference price (domain.market.limits), and there is
    none in the first sessions of a listing or without an earlier bar. A null `is_st` means no special treatment. The
    factor of a bar without one is its mark's; unknown without a mark.
    """
    count = symbols.len()
    day = _spread(bars.select(_DAY), symbols)
    mark = _spread(marks.select("symbol", "close", "adj_factor"), symbols)
    record = _spread(actions.select("symbol", "cash", "bonus", recorded=True), symbols)
    rules = trading_rules(symbols, session, book)
    decimals, inward = rules["decimals"].to_numpy(), rules["inward"].to_numpy()
    free = np.zeros(count, dtype=bool)
    if listings is not None and listings.height and book is not Book.FIRST:
        free = symbols.is_in(free_of_limits(listings).implode()).to_numpy()
    first, factor = book is Book.FIRST, day["adj_factor"]
    before = Before(mark["close"], mark["adj_factor"], record["cash"], record["bonus"])
    reference = reference_price(before, factor, decimals, book)
    move = np.where(day["is_st"], rules["limit_st"].to_numpy(), rules["limit"].to_numpy())
    if not first:
        is_fund = (rules["board"] == "fund").to_numpy()
        move = printed_fraction(move, reference, day["high"], day["low"], is_fund)
    up, down = limit_prices(reference, move, decimals, inward, book)
    highest = _or(day["limit_up"], np.where(free, np.inf, up), np.inf)
    lowest = _or(day["limit_down"], np.where(free, -np.inf, down), -np.inf)
    slack = 0.0 if first else 0.5 / TENS[decimals]
    return Quotes(
        tradable=day["tradable"],
        known=day["known"] | ~np.isnan(mark["close"]),
        open=day["open"],
        close=day["close"],
        factor=_or(factor, mark["adj_factor"]),
        own_factor=factor,
        fall=np.ones(count) if first else consolidations(day["open"], factor, before),
        limit_up=highest,
        limit_down=lowest,
        locked_up=highest - slack,
        locked_down=lowest + slack,
        **{name: np.array(rules[name]) for name in ("lot", "least_buy", "least_sell", "duty")},
        recorded=record["recorded"],
        dividend=record["cash"],
        bonus=record["bonus"],
    )


def consolidations(opened: Floats, factor: Floats, before: Before) -> Floats:
    """By how much a falling factor consolidates units: new units for one held, 1 where it does not.

    A factor falls for one of two reasons. Units were consolidated: price and factor move against each other, and the
    open (`opened`) lies by the last close on today's basis. Or the vendor erred: the open lies by the close itself.
    """
    ratio = factor / before.factor
    if not (ratio < 1.0).any():
        return np.ones(ratio.size)
    # A bar without a trade may have zeros.
    traded = np.where(opened > 0.0, opened, np.nan)
    adjusted = np.abs(np.log(traded * ratio / before.close))
    raw = np.abs(np.log(traded / before.close))
    return np.where((ratio < 1.0) & (adjusted * DECISIVE < raw), ratio, 1.0)


def _spread(frame: pl.DataFrame, symbols: pl.Series) -> dict[str, NDArray[Any]]:
    """Columns of numbers and flags by symbol code; nan and False where a symbol has no row, nan for null.

    Arrays of their own, so that the kernel is compiled for one kind of array only.
    """
    columns = [column for column in frame.iter_columns() if column.name != "symbol"]
    # Bars of the whole market have the very symbols, which is quickly seen.
    if frame["symbol"].equals(symbols):
        return {column.name: np.array(column.to_numpy()) for column in columns}
    place = frame["symbol"].cast(pl.Enum(symbols), strict=False).to_physical()
    known = place.is_not_null()
    rows, spread = place.filter(known).to_numpy(), dict[str, NDArray[Any]]()
    for column in columns:
        spread[column.name] = np.full(symbols.len(), False if column.dtype == pl.Boolean else np.nan)
        spread[column.name][rows] = column.filter(known).to_numpy()
    return spread


def _or(first: Floats, *others: Floats | float) -> Floats:
    """The first of the choices that is known, element by element."""
    for other in others:
        first = np.where(np.isnan(first), other, first)
    return first
