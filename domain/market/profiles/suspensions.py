"""Suspended sessions, as exports write them: a state, a flag, nulls or zeros, and no trade."""

from typing import Final

import polars as pl

from countersign.domain.market.profiles.cells import Place, blank_as_null
from countersign.models.errors import InputError

PRICES: Final = ("open", "high", "low", "close")
QUANTITIES: Final = ("volume", "amount")
SUSPENDED: Final = r"停牌|^(?:0|0\.0|false)$"
TRADED: Final = r"交易|正常|复牌|^(?:1|1\.0|true)$"


def suspended_by_state(values: pl.Series, place: Place) -> pl.Series:
    """Whether a state means suspended: 0 or 停牌 does, 1 or 交易 does not; InputError for another word."""
    text = blank_as_null(values.cast(pl.String)).str.to_lowercase()
    found = text.str.contains(SUSPENDED)
    wrong = text.is_not_null() & ~found & ~text.str.contains(TRADED)
    if wrong.any():
        row = wrong.arg_true()[0]
        raise InputError(values.name, "a state such as 1, 0, 交易 or 停牌", f"{values[row]!r} in {place(row)}")
    return found


def with_suspensions(bars: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Mark suspended rows: those said to be so, and those without any price, where no trade took place.

    They have volume 0 and null for a price of 0. Rows without a price before a symbol's first price are left out: they
    are mostly from before its listing. A row said to be suspended that traded (for half a day) is one that traded.
    InputError for a row with prices, without a volume, that is not said to be suspended.
    """
    if "suspended" not in bars.columns:
        bars = bars.with_columns(suspended=pl.lit(None, pl.Boolean))
    marked = bars.with_columns(
        _idle=pl.col("volume").fill_null(0) == 0,
        _priceless=pl.all_horizontal(pl.col(name).fill_null(0) == 0 for name in PRICES),
    )
    first = pl.col("session").filter(~pl.col("_priceless")).min().over("symbol")
    late = (pl.col("session") >= first).fill_null(value=False)
    kept = marked.filter(late | ~pl.col("_priceless") | ~pl.col("_idle"))
    traded = ~pl.col("_idle")
    state = (
        pl.when(traded)
        .then(statement=False)
        .when(pl.col("suspended") | pl.col("_priceless"))
        .then(statement=True)
        .otherwise("suspended")
    )
    halves = kept.filter(traded & pl.col("suspended")).height
    kept = kept.with_columns(suspended=state)
    suspended = pl.col("suspended").fill_null(value=False)
    result = kept.with_columns(
        *(pl.when(suspended & (pl.col(name) == 0)).then(None).otherwise(name).alias(name) for name in PRICES),
        *(pl.when(suspended).then(0.0).otherwise(name).alias(name) for name in QUANTITIES if name in bars.columns),
    ).drop("_idle", "_priceless")
    unknown = result.filter(pl.col("volume").is_null())
    if unknown.height:
        symbol, session = unknown.select("symbol", "session").row(0)
        raise InputError("volume", "a number in a session that is not suspended", f"none for {symbol} on {session}")
    counts = (
        ("left out, without a price before the first one of their symbol", marked.height - kept.height),
        ("suspended, without a trade", int(result.get_column("suspended").sum())),
        ("said to be suspended but traded, taken as traded", halves),
    )
    return result, [f"rows {what}: {count:,}" for what, count in counts if count]
