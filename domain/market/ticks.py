"""Ticks: prices are whole multiples of the smallest change, 0.01 CNY for shares and 0.001 for funds.

Vendors store prices as Float32, or make them by dividing an adjusted price by its factor. The noise behind the last
digit is removed here, where bars come in, so that a price at its limit is equal to it.
"""

from collections.abc import Mapping

import polars as pl

from countersign.models.errors import InputError

PRICES = ("open", "high", "low", "close")
LIMITS = ("limit_up", "limit_down")
# A price half-way between two ticks belongs to neither; less of a tick than that is noise.
AMBIGUOUS = 0.5 - 1e-4
# Noise is far below a tenth of a tick; adjusted prices lie anywhere, and many of them do.
CLEAR, MOST_UNCLEAR, LEAST_PRICES = 0.1, 0.1, 40


def to_ticks(bars: pl.DataFrame) -> pl.DataFrame:
    """Bars with prices and limits in whole ticks; a limit of 0 becomes null.

    Raises InputError for a price half-way between two ticks, naming its row; and where more than a tenth of the prices
    lie between ticks, as adjusted prices do.
    """
    ticks = bars.select(pl.when(_is_fund(pl.col("symbol"))).then(1000.0).otherwise(100.0)).to_series()
    columns = [name for name in (*PRICES, *LIMITS) if bars[name].null_count() < bars.height]
    clean = bars.with_columns(((bars[name] * ticks).round() / ticks).alias(name) for name in columns)
    apart = {name: (bars[name] - clean[name]).abs() for name in columns if name in PRICES}
    # Nearly all bars are clean, which one look tells.
    if any(_highest(each) >= 0.001 * CLEAR for each in apart.values()):
        off = {name: each * ticks for name, each in apart.items()}
        _refuse_adjusted(off)
        for name, each in off.items():
            _refuse_ambiguous(bars, name, each)
    return clean.with_columns(pl.when(pl.col(name) > 0).then(name).alias(name) for name in LIMITS if name in columns)


def _is_fund(symbol: pl.Expr) -> pl.Expr:
    """Whether a symbol is a fund, by its first digits: quicker than the table of ranges, for millions of rows."""
    shenzhen = pl.any_horizontal(symbol.str.starts_with(digits) for digits in ("15", "16", "18"))
    return (symbol.str.starts_with("5") & symbol.str.ends_with("H")) | (shenzhen & symbol.str.ends_with("Z"))


def _highest(values: pl.Series) -> float:
    found = values.max()
    return found if isinstance(found, float) else 0.0


def _refuse_adjusted(off: Mapping[str, pl.Series]) -> None:
    """Refuse prices of which many lie far from the nearest tick; `off` says how far, in ticks."""
    count = sum(each.count() for each in off.values())
    unclear = sum(int((each > CLEAR).sum()) for each in off.values())
    if count >= LEAST_PRICES and unclear > MOST_UNCLEAR * count:
        got = f"{unclear} of {count} prices between ticks, as adjusted prices are"
        raise InputError("open, high, low, close", "raw prices in CNY, in whole ticks (0.01, funds 0.001)", got)


def _refuse_ambiguous(bars: pl.DataFrame, name: str, off: pl.Series) -> None:
    wrong = off >= AMBIGUOUS
    count = int(wrong.sum())
    if count:
        row = bars.row(int(wrong.arg_true()[0]), named=True)
        more = "" if count == 1 else f" (and in {count - 1} more rows)"
        got = f"{row[name]!r} in the bar of {row['symbol']} on {row['session']}{more}"
        raise InputError(name, "a price in whole ticks (0.01, funds 0.001)", got)
