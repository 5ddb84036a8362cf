"""Claimed performance: a NAV history that a researcher says a strategy had. Pure: records in, figures out.

`domain.evaluation.tracking` compares it with the settled NAV. The word claim alone, as in
`domain.verification.check_signals`, is a statement of a journal.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

SCHEMA = {"session": pl.Date, "nav": pl.Float64}


@dataclass(frozen=True)
class Summary:
    """Summary of a claimed performance, by its returns alone; figures as fractions, None where undefined."""

    start_date: date
    end_date: date
    data_points: int
    total_return: float | None
    sharpe: float | None
    max_drawdown: float | None


def write_records(records: Iterable[tuple[date, float]]) -> str:
    """Write records down as they are kept; numbers come back to the last bit."""
    return " ".join(f"{day}={nav!r}" for day, nav in records)


def unfold(frame: pl.DataFrame) -> pl.DataFrame:
    """Give each record in the texts of column `records` a row of its own: session (Date) and nav (Float64)."""
    pair = pl.col("records").str.split_exact("=", 1).struct
    return (
        frame.with_columns(pl.col("records").str.split(" "))
        .explode("records")
        .with_columns(session=pair.field("field_0").str.to_date(), nav=pair.field("field_1").cast(pl.Float64))
        .drop("records")
    )


def read_records(text: str) -> pl.DataFrame:
    """Read records as `write_records` writes them."""
    return unfold(pl.DataFrame({"records": [text]})).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def summarise(records: pl.DataFrame) -> Summary:
    """Sum up records, two or more: the first is where NAV starts from, so there is one return less than records."""
    from countersign.domain.evaluation.kernel import measure  # noqa: PLC0415 - brings a compiler in, see services/factors/measuring.py

    nav = records["nav"].to_numpy()
    later = nav[1:].reshape(1, -1)
    figures = measure(later, np.full_like(later, np.nan), nav[:1], later.size - 1)
    total, sharpe, drawdown = (
        float(each.item()) for each in (figures.total_return, figures.sharpe, figures.max_drawdown)
    )
    return Summary(
        start_date=records["session"][0],
        end_date=records["session"][-1],
        data_points=len(nav),
        total_return=_known(total),
        sharpe=_known(sharpe),
        max_drawdown=_known(drawdown),
    )


def lay_out(records: pl.DataFrame, activated_on: date) -> pl.DataFrame:
    """Lay records out as they are shown: NAV from 1, returns, drawdown, and whether they are `after_activation`.

    `after_activation` is true on the day of activation and later, when the platform settles the strategy, too.
    """
    nav = pl.col("nav") / pl.col("nav").first()
    returns = {
        "nav": nav,
        "daily_return": nav / nav.shift(1) - 1,
        "cumulative_return": nav - 1,
        "drawdown": 1 - nav / nav.cum_max(),
    }
    return records.select(
        pl.col("session").alias("date"),
        *(pl.when(each.is_finite()).then(each).alias(name) for name, each in returns.items()),
        after_activation=pl.col("session") >= activated_on,
    )


def tabulate(uploads: pl.DataFrame) -> pl.DataFrame:
    """Tabulate uploads (strategy, activated_on, records as text) as the lens shows them: NAV from 1, in order."""
    rows = unfold(uploads).with_columns(
        nav=pl.col("nav") / pl.col("nav").first().over("strategy"),
        after_activation=pl.col("session") >= pl.col("activated_on"),
    )
    return rows.select("strategy", "session", "nav", "after_activation")


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
