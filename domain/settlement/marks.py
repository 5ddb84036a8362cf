"""Marks: the newest bar of every symbol, carried from session to session.

They decide price limits, the first sight of a symbol and the worth of untraded holdings. A bar that cannot be
traded says that the symbol is there (`bar_session`); its close and factor count only where no earlier bar has any,
since vendors fill them in as they like.
"""

from datetime import date

import polars as pl

from countersign.domain.checks import forbid, of_before, positive, require
from countersign.domain.market.quotes import tradable
from countersign.domain.market.rules import Book
from countersign.models.datasets import BARS, MARKS

COLUMNS = ("symbol", "bar_session", "close", "adj_factor")


def newest_marks(bars: pl.LazyFrame, book: Book = Book.CURRENT) -> pl.LazyFrame:
    """Marks after bars of many sessions (models.datasets.BARS), each of the session of its newest bar."""
    close, factor = pl.col("close"), pl.col("adj_factor").drop_nulls()
    if book is Book.FIRST:
        values = (close.last(), factor.last())
    else:
        traded = pl.col("adj_factor").filter(tradable()).drop_nulls().last()
        values = (
            pl.coalesce(close.filter(tradable()).last(), close.first()),
            pl.coalesce(traded, pl.col("adj_factor").first()),
        )
    newest = (
        bars.filter(positive("close"))
        .sort("session", "symbol")
        .group_by("symbol")
        .agg(pl.col("session").last(), pl.col("session").last().alias("bar_session"), *values)
    )
    return newest.select(*MARKS.schema).sort(MARKS.sort)


def next_marks(
    session: date,
    marks: pl.DataFrame,
    bars: pl.DataFrame,
    actions: pl.DataFrame | None = None,
    book: Book = Book.CURRENT,
) -> pl.DataFrame:
    """The marks after `session`: its bars where there are any, the marks before it for all other symbols.

    `actions` are the session's corporate actions (symbol, cash, bonus; default: none): the mark of a symbol that has
    one and no trade goes on the basis of the day. A bar without a close does not count; one without a factor carries
    its mark's on.
    """
    require("bars", bars, BARS.schema)
    require("marks", marks, MARKS.schema)
    forbid({"marks": marks}, [of_before("marks", session)])
    seen = bars.rename({"session": "bar_session"}).filter(positive("close")).select(*COLUMNS, traded=tradable())
    if book is Book.FIRST:
        seen = seen.with_columns(traded=pl.lit(value=True))
    elif actions is not None and actions.height:
        marks = _on_todays_basis(marks, bars, actions)
    # Sorted by symbol a bar comes right behind its mark: cheaper than a full join of two sorted tables.
    both = pl.concat([marks.select(*COLUMNS, traded=pl.lit(value=True)), seen]).sort("symbol", maintain_order=True)
    has_mark = pl.col("symbol") == pl.col("symbol").shift(1)
    before = {name: pl.when(has_mark).then(pl.col(name).shift(1)) for name in ("close", "adj_factor")}
    values = [
        pl.when("traded")
        .then(pl.coalesce(name, before[name]))
        .when(has_mark)
        .then(before[name])
        .otherwise(name)
        .alias(name)
        for name in before
    ]
    newest = pl.col("symbol").ne_missing(pl.col("symbol").shift(-1))
    return both.with_columns(values).filter(newest).select("symbol", pl.lit(session).alias("session"), *COLUMNS[1:])


def _on_todays_basis(marks: pl.DataFrame, bars: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Marks of symbols that have a corporate action and no trade: close × factor stays the same."""
    traded = bars.filter(tradable())["symbol"]
    due = actions.filter(~pl.col("symbol").is_in(traded.implode()))
    if due.is_empty():
        return marks
    close = (pl.col("close") - pl.col("cash")) / (1.0 + pl.col("bonus"))
    # A payment of all the price and more leaves no reference.
    after = pl.when(close > 0).then(close).otherwise("close")
    return (
        marks.join(due, on="symbol", how="left", maintain_order="left")
        .with_columns(close=after, adj_factor=pl.col("adj_factor") * pl.col("close") / after)
        .select(marks.columns)
    )
