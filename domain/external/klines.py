"""Klines: normalised as handed in, and merged with those known before."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from countersign.domain.external.kline_dumps import read_dump
from countersign.domain.moments import read_moments
from countersign.domain.tables import Moment, Number, Table, normalise
from countersign.models.errors import InputError
from countersign.models.klines import KlineSeries

# Wide enough for a coin that costs a millionth of a millionth.
PRICE = Number(1e-18, 1e15, nullable=False, strict=True)
KLINE_TABLE = Table(
    "klines",
    {
        "opened_at": Moment(),
        "open": PRICE,
        "high": PRICE,
        "low": PRICE,
        "close": PRICE,
        "volume": Number(0, 1e20, nullable=False, strict=True),
    },
    key=("opened_at",),
    aliases={
        "date": "opened_at",
        "timestamp": "opened_at",
        "openPrice": "open",
        "highestPrice": "high",
        "lowestPrice": "low",
        "closePrice": "close",
        "turnoverVol": "volume",
    },
)
PRICES = ("open", "high", "low", "close")


class Merged(NamedTuple):
    """Bars after a newer file went in: all of them, those that are new, and those that changed."""

    bars: pl.DataFrame
    added: pl.DataFrame
    replaced: pl.DataFrame


def normalise_klines(frame: pl.DataFrame, series: KlineSeries, now: datetime, *, holes: bool = False) -> pl.DataFrame:
    """Klines with the columns and types of models.datasets.KLINES, sorted by `opened_at`, from rows in any order.

    `frame` has our own columns or those of an exchange's dump (domain.external.kline_dumps). The bar that is still
    under way at `now` is left out, and so is one that the dump itself calls unfinished: neither is final.

    Raises InputError as domain.tables.normalise does, and for a bar that is not on the interval's grid (multiples of it
    since midnight UTC), opens after `now`, or has a price outside its low and high; for bars further apart than the
    interval throughout; and for holes, unless they are let in: the market in a hole is unknown, and outcomes are
    judged only up to it.
    """
    bars = _read(frame, series)
    step = series.step // timedelta(microseconds=1)
    _refuse(bars, pl.col("opened_at").to_physical() % step != 0, "opened_at", f"a multiple of {series.interval}")
    _refuse(bars, pl.col("opened_at") > now, "opened_at", f"times up to now, {now:%F %T} UTC")
    inside = pl.all_horizontal(pl.col(name).is_between("low", "high") for name in PRICES)
    _refuse(bars, ~inside, "high", "prices between low and high")
    _refuse_holes(bars["opened_at"], series, holes=holes)
    over = bars.filter(pl.col("opened_at") + series.step <= now)
    if over.is_empty():
        got = f"one of {bars['opened_at'][0]:%F %T} that is under way" if bars.height else "none"
        raise InputError("opened_at", "a bar that is over", got)
    return over


def _read(frame: pl.DataFrame, series: KlineSeries) -> pl.DataFrame:
    dump = read_dump(frame, series)
    if dump is None:
        return normalise(frame, KLINE_TABLE)
    bars = normalise(dump.klines, replace(KLINE_TABLE, aliases=dump.aliases))
    opened = read_moments(dump.klines.to_series(list(dump.aliases.values()).index("opened_at")))
    if dump.unfinished is None or opened is None:
        return bars
    return bars.filter(~pl.col("opened_at").is_in(opened.filter(dump.unfinished).implode()))


def merge(known: pl.DataFrame, newer: pl.DataFrame) -> Merged:
    """Put newer bars in place of known ones of the same time; both as normalise_klines gives them."""
    added = newer.join(known, on="opened_at", how="anti")
    same = newer.join(known, on=known.columns, how="semi")
    replaced = newer.join(added, on="opened_at", how="anti").join(same, on="opened_at", how="anti")
    bars = pl.concat([newer, known.join(newer, on="opened_at", how="anti")]).sort("opened_at")
    return Merged(bars, added, replaced)


def _refuse(bars: pl.DataFrame, wrong: pl.Expr, field: str, expected: str) -> None:
    found = bars.filter(wrong)
    if found.height:
        bar = found.row(0, named=True)
        prices = "" if field == "opened_at" else " with " + ", ".join(f"{name} {bar[name]:g}" for name in PRICES)
        more = "" if found.height == 1 else f" (and {found.height - 1} more)"
        raise InputError(field, expected, f"the bar of {bar['opened_at']:%F %T}{prices}{more}")


def _refuse_holes(opened: pl.Series, series: KlineSeries, *, holes: bool) -> None:
    apart = opened.diff().drop_nulls()
    after = (apart > series.step).arg_true()
    if after.len() == 0:
        return
    if after.len() == apart.len() > 1:
        raise InputError("interval", f"bars {series.interval} apart", f"bars at least {apart.sort()[0]} apart")
    if not holes:
        more = "" if after.len() == 1 else f" (and {after.len() - 1} more holes)"
        found = f"none between {opened[after[0]]:%F %T} and {opened[after[0] + 1]:%F %T}{more}"
        raise InputError("opened_at", f"a bar every {series.interval}, unless holes are let in", found)
