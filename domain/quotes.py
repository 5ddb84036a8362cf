"""Quotes: what one session offers for every symbol, ready for settlement: prices, limits, lots, duty, dividends.

Pure: the session's bars, the marks of the session before and the corporate actions in, arrays by symbol code out.
"""

import math
from datetime import date

import numpy as np
import polars as pl

from domain.arrays import Flags, Floats, Quotes
from domain.rules import trading_rules
from models.datasets import BARS, MARKS, ColumnType
from models.errors import InputError

ACTIONS_SCHEMA: dict[str, ColumnType] = {"symbol": pl.String, "cash": pl.Float64, "bonus": pl.Float64}


def require(field: str, frame: pl.DataFrame, schema: dict[str, ColumnType]) -> None:
    """Refuse a frame that lacks a column or has it in another type; further columns are let be."""
    for name, kind in schema.items():
        if name not in frame.columns:
            raise InputError(field, f"a column {name}", ", ".join(frame.columns))
        if frame.schema[name] != kind:
            raise InputError(f"{field}.{name}", str(kind), frame.schema[name])


def forbid(field: str, expected: str, frame: pl.DataFrame, wrong: pl.Expr) -> None:
    """Refuse a frame in which `wrong` is true of a row; the message shows the first such row."""
    if frame.select(wrong.any()).item():
        raise InputError(field, expected, frame.filter(wrong).row(0))


def check_market(session: date, bars: pl.DataFrame, marks: pl.DataFrame, actions: pl.DataFrame) -> None:
    """Refuse what the quality gate should have held back, and frames of another session.

    A tradable bar needs an open and a close above 0; limits and adjustment factors may be null, but not 0 or less.
    """
    require("bars", bars, BARS.schema)
    require("marks", marks, MARKS.schema)
    require("actions", actions, ACTIONS_SCHEMA)
    for field, frame in (("bars", bars), ("marks", marks), ("actions", actions)):
        forbid(field, "one row a symbol", frame, pl.col("symbol").is_duplicated() | pl.col("symbol").is_null())
    forbid("bars", f"bars of {session}", bars, (pl.col("session") != session).fill_null(value=True))
    forbid("marks", f"marks of a session before {session}", marks, pl.col("session") >= session)
    forbid("bars", "prices above 0 on a tradable bar", bars, tradable() & ~(_positive("open") & _positive("close")))
    for limit in ("limit_up", "limit_down"):
        unusable = pl.col(limit).is_not_null() & ~_positive(limit)
        forbid("bars", f"null or a {limit} above 0 on a tradable bar", bars, tradable() & unusable)
    for field, frame in (("bars", bars), ("marks", marks)):
        unusable = pl.col("adj_factor").is_not_null() & ~_positive("adj_factor")
        forbid(field, "null or an adj_factor above 0", frame, unusable)
    forbid("marks", "closes above 0", marks, ~_positive("close"))
    sane = (pl.col("cash") >= 0) & pl.col("cash").is_finite() & (pl.col("bonus") >= 0) & pl.col("bonus").is_finite()
    forbid("actions", "cash and bonus of 0 or more", actions, ~sane.fill_null(value=False))


def _positive(column: str) -> pl.Expr:
    return ((pl.col(column) > 0) & pl.col(column).is_finite()).fill_null(value=False)


def tradable() -> pl.Expr:
    """Whether a bar can be traded: null `suspended` means not suspended, null volume means no trade took place."""
    return ~pl.col("suspended").fill_null(value=False) & _positive("volume")


def price_limit(previous: pl.Expr, fraction: pl.Expr) -> pl.Expr:
    """The limit price `fraction` away from the previous close, half up to the board's decimals."""
    scale = pl.lit(10.0).pow(pl.col("limit_decimals"))
    return (previous * (1.0 + fraction) * scale + 0.5 + 1e-6).floor() / scale


def quotes(session: date, symbols: pl.Series, bars: pl.DataFrame, marks: pl.DataFrame, actions: pl.DataFrame) -> Quotes:
    """Quotes of `symbols` (ascending, unique), in that order.

    A bar's own limits win; otherwise they follow from the newest earlier bar's close on today's adjustment basis, and
    there is none without an earlier bar. Where either of the two adjustment factors is null they are taken as equal.
    A null `is_st` means no special treatment. The factor of a bar without one is its mark's; unknown without a mark.
    """
    day = bars.select(pl.exclude("session"), bar=True, tradable=tradable())
    earlier = marks.select("symbol", previous="close", mark_factor="adj_factor")
    records = actions.select("symbol", dividend="cash", bonus="bonus", recorded=True)
    table = trading_rules(symbols, session)
    for frame in (day, earlier, records):
        table = table.join(frame, on="symbol", how="left", maintain_order="left")
    basis = pl.coalesce(pl.col("previous") * pl.col("mark_factor") / pl.col("adj_factor"), "previous")
    limit = pl.when(pl.col("is_st").fill_null(value=False)).then("limit_st").otherwise("limit")
    table = table.with_columns(basis=basis, move=limit).with_columns(
        pl.col("tradable").fill_null(value=False),
        pl.col("recorded").fill_null(value=False),
        known=pl.col("bar").is_not_null() | pl.col("previous").is_not_null(),
        own_factor=pl.col("adj_factor"),
        factor=pl.coalesce("adj_factor", "mark_factor"),
        limit_up=pl.coalesce("limit_up", price_limit(pl.col("basis"), pl.col("move"))).fill_null(math.inf),
        limit_down=pl.coalesce("limit_down", price_limit(pl.col("basis"), -pl.col("move"))).fill_null(-math.inf),
    )
    return Quotes._make(_array(table[name]) for name in Quotes._fields)


def _array(column: pl.Series) -> Floats | Flags:
    """A writable array of its own, so that the kernel is compiled for one kind of array only; null becomes nan."""
    return np.array(column if column.dtype == pl.Boolean else column.fill_null(np.nan))


def next_marks(session: date, marks: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """The marks after `session`: its bars where there are any, the marks before it for all other symbols.

    A suspended bar counts too; one without a close does not. A bar without a factor carries its mark's on.
    """
    require("bars", bars, BARS.schema)
    require("marks", marks, MARKS.schema)
    forbid("marks", f"marks of a session before {session}", marks, pl.col("session") >= session)
    seen = bars.filter(_positive("close")).select("symbol", "close", "adj_factor", bar_session="session")
    older = marks.select("symbol", "bar_session", "close", "adj_factor")
    joined = seen.join(older, on="symbol", how="full", coalesce=True, suffix="_older")
    merged = joined.select(
        "symbol",
        *(pl.coalesce(name, f"{name}_older") for name in ("bar_session", "close", "adj_factor")),
        session=pl.lit(session),
    )
    return merged.select(*MARKS.schema).sort("symbol")
