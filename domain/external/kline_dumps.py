"""Kline dumps of exchanges and their libraries: names of their columns, and files without a header.

Binance: github.com/binance/binance-public-data, README (12 columns; microseconds from 2025 on) and its API's names.
OKX: okx.com/historical-data (instrument_name … confirm) and /api/v5/market/candles (ts, o, h, l, c, vol …).
Bybit: /v5/market/kline (startTime … turnover), and public.bybit.com/kline_for_metatrader4: six columns without a
header, whose clock is UTC+3.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import polars as pl

from countersign.models.errors import InputError
from countersign.models.klines import KlineSeries

BINANCE = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count"),
    *("taker_buy_volume", "taker_buy_quote_volume", "ignore"),
)
OKX = ("ts", "open", "high", "low", "close", "vol", "vol_ccy", "vol_ccy_quote", "confirm")
BYBIT = ("start_time", "open", "high", "low", "close", "volume", "turnover")
HEADLESS = {len(names): names for names in (BINANCE, OKX, BYBIT)}
METATRADER = ("time_utc3", "open", "high", "low", "close", "volume")
METATRADER_TIME = re.compile(r"[0-9]{4}\.[0-9]{2}\.[0-9]{2} [0-9]{2}:[0-9]{2}")
METATRADER_AHEAD = pl.duration(hours=3)

# Names in small letters, and without separators between their words.
OURS = {
    **dict.fromkeys(("opentime", "starttime", "startat", "timestamp", "ts", "timeutc3"), "opened_at"),
    **{short: name for name in ("open", "high", "low", "close") for short in (name, name[0])},
    **dict.fromkeys(("volume", "vol"), "volume"),
}
INSTRUMENT, CONFIRM = ("instrumentname", "instid", "symbol"), "confirm"
OTHERS = {
    *("closetime", "quotevolume", "quoteassetvolume", "count", "trades", "numberoftrades", "ignore"),
    *("takerbuyvolume", "takerbuybasevolume", "takerbuybaseassetvolume"),
    *("takerbuyquotevolume", "takerbuyquoteassetvolume"),
    *("volccy", "volquote", "volccyquote", "turnover", CONFIRM, *INSTRUMENT),
}


class Dump(NamedTuple):
    """The columns of a dump that are of klines, by our names, and which rows are of a bar that was not over."""

    klines: pl.DataFrame
    aliases: Mapping[str, str]
    unfinished: pl.Series | None


def headless_columns(series: KlineSeries) -> Callable[[Sequence[str]], Sequence[str] | None]:
    """Return a function that gives the columns of a file without a header by its first line; None: no known dump."""

    def columns(first: Sequence[str]) -> Sequence[str] | None:
        if series.exchange.startswith("bybit") and METATRADER_TIME.fullmatch(first[0]):
            return METATRADER if len(first) == len(METATRADER) else None
        return HEADLESS.get(len(first))

    return columns


def read_dump(frame: pl.DataFrame, series: KlineSeries) -> Dump | None:
    """Find the klines in a table with the columns of a dump; None where it has others, too, or our own.

    InputError for one that says it is of another pair.
    """
    plain = {name: re.sub(r"[^a-z0-9]", "", name.lower()) for name in frame.columns}
    if not all(each in OURS or each in OTHERS for each in plain.values()):
        return None
    for name, each in plain.items():
        if each in INSTRUMENT:
            _refuse_other_pairs(frame[name], series)
    unfinished = next((frame[name].cast(pl.String) == "0" for name, each in plain.items() if each == CONFIRM), None)
    aliases = {name: OURS[each] for name, each in plain.items() if each in OURS}
    klines = frame.select(list(aliases))
    if METATRADER[0] in klines.columns:
        at = pl.col(METATRADER[0])
        klines = klines.with_columns(at.str.to_datetime("%Y.%m.%d %H:%M", strict=False) - METATRADER_AHEAD)
    return Dump(klines, aliases, unfinished)


def _refuse_other_pairs(names: pl.Series, series: KlineSeries) -> None:
    pair = series.coin + series.currency
    for name in names.unique(maintain_order=True):
        if not re.sub(r"[^A-Z0-9]", "", str(name).upper()).startswith(pair):
            raise InputError(names.name, f"bars of {series.coin}/{series.currency} alone", name)
