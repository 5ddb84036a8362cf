"""Quotes: what one session offers for every symbol, ready for settlement: prices, limits, lots, duty, dividends.

Pure: the session's bars, the marks of the session before and the corporate actions in, arrays by symbol code out.
"""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.arrays import Floats, Quotes
from domain.checks import Rule, forbid, positive, repeated, require
from domain.rules import trading_rules
from models.datasets import BARS, MARKS, ColumnType

# Exact, where a power of an array need not be.
TENS = np.array([1.0, 10.0, 100.0, 1000.0])

ACTIONS_SCHEMA: dict[str, ColumnType] = {"symbol": pl.String, "cash": pl.Float64, "bonus": pl.Float64}


def tradable() -> pl.Expr:
    """Whether a bar can be traded: null `suspended` means not suspended, null volume means no trade took place."""
    return ~pl.col("suspended").fill_null(value=False) & positive("volume")


def _unusable(column: str) -> pl.Expr:
    """Known, and yet no number above 0."""
    return pl.col(column).is_not_null() & ~positive(column)


_ONE_ROW_A_SYMBOL = tuple(
    Rule(name, name, "one row a symbol", repeated("symbol") | pl.col("symbol").is_null())
    for name in ("bars", "marks", "actions")
)
_NUMBERS = (
    Rule("bars", "bars", "prices above 0 on a tradable bar", tradable() & ~(positive("open") & positive("close"))),
    *(
        Rule("bars", "bars", f"null or a {limit} above 0 on a tradable bar", tradable() & _unusable(limit))
        for limit in ("limit_up", "limit_down")
    ),
    *(Rule(name, name, "null or an adj_factor above 0", _unusable("adj_factor")) for name in ("bars", "marks")),
    Rule("marks", "marks", "closes above 0", ~positive("close")),
    Rule(
        "actions",
        "actions",
        "cash and bonus of 0 or more",
        ~pl.all_horizontal(
            ((pl.col(name) >= 0) & pl.col(name).is_finite()).fill_null(value=False) for name in ("cash", "bonus")
        ),
    ),
)
_DAY = (
    "symbol",
    "open",
    "close",
    "adj_factor",
    "limit_up",
    "limit_down",
    tradable().alias("tradable"),
    pl.col("is_st").fill_null(value=False),
    pl.lit(value=True).alias("known"),
)


def check_market(session: date, bars: pl.DataFrame, marks: pl.DataFrame, actions: pl.DataFrame) -> None:
    """Refuse what the quality gate should have held back, and frames of another session.

    A tradable bar needs an open and a close above 0; limits and adjustment factors may be null, but not 0 or less.
    """
    require("bars", bars, BARS.schema)
    require("marks", marks, MARKS.schema)
    require("actions", actions, ACTIONS_SCHEMA)
    strangers = Rule("bars", "bars", f"bars of {session}", (pl.col("session") != session).fill_null(value=True))
    rules = (*_ONE_ROW_A_SYMBOL, strangers, _of_before("marks", session), *_NUMBERS)
    forbid({"bars": bars, "marks": marks, "actions": actions}, rules)


def _of_before(name: str, session: date) -> Rule:
    return Rule(name, name, f"{name} of a session before {session}", pl.col("session") >= session)


def limit_price(basis: Floats, fraction: Floats, decimals: NDArray[Any]) -> Floats:
    """The limit price `fraction` away from the previous close on today's basis, half up to the board's decimals."""
    scale: Floats = TENS[decimals]
    limit: Floats = np.floor(basis * (1.0 + fraction) * scale + 0.5 + 1e-6) / scale
    return limit


def quotes(session: date, symbols: pl.Series, bars: pl.DataFrame, marks: pl.DataFrame, actions: pl.DataFrame) -> Quotes:
    """Quotes of `symbols` (ascending, unique), in that order.

    A bar's own limits win; otherwise they follow from the newest earlier bar's close on today's adjustment basis, and
    there is none without an earlier bar. Where either of the two adjustment factors is null they are taken as equal.
    A null `is_st` means no special treatment. The factor of a bar without one is its mark's; unknown without a mark.
    """
    count, names = symbols.len(), pl.Enum(symbols)
    day = _spread(bars.select(_DAY), names, count)
    mark = _spread(marks.select("symbol", "close", "adj_factor"), names, count)
    record = _spread(actions.select("symbol", "cash", "bonus", recorded=True), names, count)
    book = trading_rules(symbols, session)
    rules = {name: np.array(book[name]) for name in book.columns if name != "symbol"}
    previous, factor = mark["close"], day["adj_factor"]
    basis = _or(previous * mark["adj_factor"] / factor, previous)
    move = np.where(day["is_st"], rules["limit_st"], rules["limit"])
    return Quotes(
        tradable=day["tradable"],
        known=day["known"] | ~np.isnan(previous),
        open=day["open"],
        close=day["close"],
        factor=_or(factor, mark["adj_factor"]),
        own_factor=factor,
        limit_up=_or(day["limit_up"], limit_price(basis, move, rules["limit_decimals"]), np.inf),
        limit_down=_or(day["limit_down"], limit_price(basis, -move, rules["limit_decimals"]), -np.inf),
        lot=rules["lot"],
        least=rules["least"],
        duty=rules["duty"],
        recorded=record["recorded"],
        dividend=record["cash"],
        bonus=record["bonus"],
    )


def _spread(frame: pl.DataFrame, names: pl.Enum, count: int) -> dict[str, NDArray[Any]]:
    """Columns of numbers and flags by symbol code; nan and False where a symbol has no row, nan for null.

    Arrays of their own, so that the kernel is compiled for one kind of array only.
    """
    place = frame["symbol"].cast(names, strict=False).to_physical()
    if place.null_count():
        frame, place = frame.filter(place.is_not_null()), place.drop_nulls()
    rows, columns = place.to_numpy(), dict[str, NDArray[Any]]()
    for column in frame.iter_columns():
        if column.name != "symbol":
            columns[column.name] = np.full(count, False if column.dtype == pl.Boolean else np.nan)
            columns[column.name][rows] = column.to_numpy()
    return columns


def _or(first: Floats, *others: Floats | float) -> Floats:
    """The first of the choices that is known, element by element."""
    for other in others:
        first = np.where(np.isnan(first), other, first)
    return first


def next_marks(session: date, marks: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """The marks after `session`: its bars where there are any, the marks before it for all other symbols.

    A suspended bar counts too; one without a close does not. A bar without a factor carries its mark's on.
    """
    require("bars", bars, BARS.schema)
    require("marks", marks, MARKS.schema)
    forbid({"marks": marks}, [_of_before("marks", session)])
    columns = ("symbol", "bar_session", "close", "adj_factor")
    seen = bars.rename({"session": "bar_session"}).filter(positive("close")).select(columns)
    # Sorted by symbol a bar comes right behind its mark: cheaper than a full join of two sorted tables.
    both = pl.concat([marks.select(columns), seen]).sort("symbol", maintain_order=True)
    has_mark = pl.col("symbol") == pl.col("symbol").shift(1)
    factor = pl.coalesce("adj_factor", pl.when(has_mark).then(pl.col("adj_factor").shift(1)))
    newest = pl.col("symbol").ne_missing(pl.col("symbol").shift(-1))
    return both.with_columns(factor).filter(newest).select("symbol", pl.lit(session).alias("session"), *columns[1:])
