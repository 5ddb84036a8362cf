"""Delistings: a holding that is no longer listed is exchanged for its delisting value.

The value is cash, nothing, or shares of another symbol by ratio. The exchange precedes everything else in the session
and costs neither commission nor duty. While the value is not known, the holding keeps its last close, and the
strategy's audit log says so. Pure; which delistings are due is the caller's business.
"""

from typing import NamedTuple

import polars as pl

from countersign.domain.checks import Rule, forbid, repeated, require
from countersign.domain.market.quotes import tradable
from countersign.domain.settlement.books import money
from countersign.models.datasets import ORDERS, POSITIONS, ColumnType
from countersign.models.enums import DELISTED, Side

# Value of one share of `symbol`: `cash` in CNY, and `ratio` shares of `successor`; all null: not known.
DELISTINGS_SCHEMA: dict[str, ColumnType] = {
    "symbol": pl.String,
    "cash": pl.Float64,
    "successor": pl.String,
    "ratio": pl.Float64,
}
NAMED = 3
_RULES = (
    Rule("delistings", "delistings", "one row a symbol", repeated("symbol") | pl.col("symbol").is_null()),
    Rule("delistings", "delistings.cash", "null, or 0 or more", (~(pl.col("cash") >= 0)).fill_null(value=False)),
    Rule(
        "delistings",
        "delistings.ratio",
        "a ratio above 0 for a successor, and none without one",
        pl.when(pl.col("successor").is_null())
        .then(pl.col("ratio").is_not_null())
        .otherwise(~(pl.col("ratio") > 0).fill_null(value=False)),
    ),
)


class Exchanged(NamedTuple):
    """Books and holdings after the exchange, the signals less the symbols that were exchanged, and the orders.

    `told` (strategy, told) is the text on it for each strategy's detail.
    """

    books: pl.DataFrame
    holdings: pl.DataFrame
    signals: pl.DataFrame
    orders: pl.DataFrame
    told: pl.DataFrame


def exchange(
    *,
    books: pl.DataFrame,
    holdings: pl.DataFrame,
    signals: pl.DataFrame,
    bars: pl.DataFrame,
    marks: pl.DataFrame,
    delistings: pl.DataFrame,
) -> Exchanged:
    """Exchange the holdings of `delistings` that have no tradable bar; the frames as domain.settlement.engine.settle
    has them.

    Each is an order of reason DELISTED: a sell of all of it at the cash for a share. Shares of the successor are whole
    ones; they begin at the successor's last close, or without one at the worth of the delisted holding.
    """
    require("delistings", delistings, DELISTINGS_SCHEMA)
    forbid({"delistings": delistings}, _RULES)
    traded = bars.filter(tradable())["symbol"]
    due = delistings.filter(~pl.col("symbol").is_in(traded.implode()))
    left = holdings.join(due, on="symbol", how="inner").sort("strategy", "symbol")
    is_known = pl.col("cash").is_not_null() | pl.col("successor").is_not_null()
    gone = left.filter(is_known).with_columns(pl.col("cash").fill_null(0.0))
    notional = (pl.col("quantity") * pl.col("cash") * 100 + 0.5 + 1e-6).floor().cast(pl.Int64)
    gone = gone.with_columns(notional=money(notional))
    paid = gone.group_by("strategy").agg(pl.col("notional").sum())
    paid_out = books.join(paid, on="strategy", how="left", maintain_order="left").with_columns(
        cash=(pl.col("cash") + pl.col("notional").fill_null(0)).cast(books.schema["cash"])
    )
    kept = holdings.join(gone, on=["strategy", "symbol"], how="anti")
    # The weight goes, not the row: a signal that wants nothing else is still one.
    wished = signals.join(gone.select("strategy", "symbol", gone=True), on=["strategy", "symbol"], how="left")
    return Exchanged(
        paid_out.select(books.columns),
        _together(pl.concat([kept, _successors(gone, marks).select(kept.columns)])),
        wished.with_columns(weight=pl.when("gone").then(0.0).otherwise("weight")).select(signals.columns),
        _orders(gone),
        _details(left.with_columns(known=is_known)),
    )


def _details(left: pl.DataFrame) -> pl.DataFrame:
    """Text for each strategy: how many of its holdings were exchanged, and which wait for a delisting value."""
    waiting = pl.col("symbol").filter(~pl.col("known"))
    names = waiting.head(NAMED).str.join(", ") + pl.when(waiting.len() > NAMED).then(pl.lit(" and more")).otherwise(
        pl.lit("")
    )
    return left.group_by("strategy").agg(
        told=pl.when(pl.col("known").any())
        .then(pl.format(", exchanged {} (DELISTED)", pl.col("known").sum()))
        .otherwise(pl.lit(""))
        + pl.when(waiting.len() > 0)
        .then(pl.format(", {} delisted without a known value: kept at the last close", names))
        .otherwise(pl.lit(""))
    )


def _successors(gone: pl.DataFrame, marks: pl.DataFrame) -> pl.DataFrame:
    """Positions in the successors, with the columns of positions; they are valued at the close, later."""
    mark = marks.select(successor="symbol", mark_close="close", mark_factor="adj_factor")
    given = gone.filter(pl.col("successor").is_not_null()).join(mark, on="successor", how="left")
    whole = (pl.col("quantity") * pl.col("ratio") + 1e-9).floor()
    return given.with_columns(
        symbol="successor",
        quantity=whole,
        close=pl.coalesce("mark_close", pl.col("close") / pl.col("ratio")),
        adj_factor="mark_factor",
    ).filter(pl.col("quantity") > 0)


def _together(holdings: pl.DataFrame) -> pl.DataFrame:
    """One position for each strategy and symbol; a holding from before comes first and decides the mark."""
    others = pl.col("session", "close", "market_value", "adj_factor").first()
    merged = holdings.group_by("strategy", "symbol", maintain_order=True).agg(pl.col("quantity").sum(), others)
    return merged.select(POSITIONS.schema.keys()).sort("strategy", "symbol")


def _orders(gone: pl.DataFrame) -> pl.DataFrame:
    nothing = pl.lit(0).cast(ORDERS.schema["commission"])
    return gone.select(
        "strategy",
        "session",
        "symbol",
        side=pl.lit(Side.SELL.value),
        wanted="quantity",
        filled="quantity",
        price="cash",
        notional="notional",
        commission=nothing,
        stamp_duty=nothing,
        reason=pl.lit(DELISTED),
    )
