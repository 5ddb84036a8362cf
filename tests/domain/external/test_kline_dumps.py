"""Klines as exchanges publish them. The rows are made up; their form is the exchanges' own, as documented."""

from datetime import UTC, datetime

import polars as pl
import pytest

from countersign.domain.external.kline_dumps import headless_columns
from countersign.domain.external.klines import normalise_klines
from countersign.models.errors import InputError
from countersign.models.klines import series_of
from countersign.sources.files.tables import read_table

MINUTES = series_of("binance", "DOGE/USDT", "1m")
OKX, BYBIT = series_of("okx", "DOGE/USDT", "1m"), series_of("bybit", "DOGE/USDT", "1m")
NEW_YEAR = datetime(2025, 1, 1, tzinfo=UTC)
LATER = datetime(2025, 2, 1, tzinfo=UTC)
BAR = (0.316, 0.317, 0.315, 0.3165, 27.0)
# 2025-01-01 00:00 UTC is 1,735,689,600 seconds since 1970 (date -u -d @1735689600).
BINANCE = "1735689600000000,0.316,0.317,0.315,0.3165,27.0,1735689659999999,8.5,1,0.0,0.0,0\n"
MILLISECONDS = BINANCE.replace("1735689600000000", "1735689600000").replace("1735689659999999", "1735689659999")
OKX_BAR = "DOGE-USDT,0.316,0.317,0.315,0.3165,27.0,27.0,8.5,1735689600000,1\n"
OKX_HEADER = "instrument_name,open,high,low,close,vol,vol_ccy,vol_quote,open_time,confirm\n"
OKX_API = "1735689600000,0.316,0.317,0.315,0.3165,27.0,27.0,8.5,1\n"
BYBIT_BAR = "1735689600000,0.316,0.317,0.315,0.3165,27.0,8.5\n"
METATRADER = "2025.01.01 03:00,0.316,0.317,0.315,0.3165,27.0\n"


def read(text: str, tmp_path, series=MINUTES) -> pl.DataFrame:  # type: ignore[no-untyped-def]
    path = tmp_path / "dump.csv"
    path.write_text(text)
    return normalise_klines(read_table(path, headless=headless_columns(series)), series, LATER)


@pytest.mark.parametrize(
    ("text", "series"),
    [
        (BINANCE, MINUTES),
        (MILLISECONDS, MINUTES),
        (
            "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
            f"taker_buy_quote_volume,ignore\n{MILLISECONDS}",
            MINUTES,
        ),
        (
            "openTime,open,high,low,close,volume,closeTime,quoteAssetVolume,numberOfTrades,takerBuyBaseAssetVolume,"
            f"takerBuyQuoteAssetVolume,ignore\n{MILLISECONDS}",
            MINUTES,
        ),
        (
            "Open time,Open,High,Low,Close,Volume,Close time,Quote asset volume,Number of trades,"
            f"Taker buy base asset volume,Taker buy quote asset volume,Ignore\n{BINANCE}",
            MINUTES,
        ),
        (OKX_HEADER + OKX_BAR, OKX),
        (OKX_HEADER + OKX_BAR.replace("DOGE-USDT", "DOGE-USDT-SWAP"), OKX),
        (OKX_API, OKX),
        (f"ts,o,h,l,c,vol,volCcy,volCcyQuote,confirm\n{OKX_API}", OKX),
        (f"timestamp,open,high,low,close,volume,turnover\n{BYBIT_BAR}", BYBIT),
        (f"startTime,open,high,low,close,volume,turnover\n{BYBIT_BAR}", BYBIT),
        (BYBIT_BAR, BYBIT),
        (METATRADER, BYBIT),
        (METATRADER, series_of("bybit_futures", "DOGE/USDT", "1m")),
    ],
)
def test_a_bar_in_every_exchanges_form(tmp_path, text: str, series) -> None:  # type: ignore[no-untyped-def]
    assert read(text, tmp_path, series).rows() == [(NEW_YEAR, *BAR)]


@pytest.mark.parametrize(
    ("text", "series", "words"),
    [
        (
            OKX_HEADER + OKX_BAR.replace("DOGE", "BTC"),
            OKX,
            "instrument_name: expected bars of DOGE/USDT alone, got BTC",
        ),
        (
            OKX_HEADER + OKX_BAR + OKX_BAR.replace("USDT", "USDC"),
            OKX,
            "instrument_name: expected bars of DOGE/USDT alone, got DOGE-USDC",
        ),
        (
            METATRADER,
            MINUTES,
            r"dump.csv, line 1: expected a header line .*, got no header line but 2025.01.01 03:00, ",
        ),
        (METATRADER.replace("2025.01", "2025.13"), BYBIT, "time_utc3: expected a time .*, got null in row 1"),
        ("1735689600000,1,2,1,2,5\n", MINUTES, "dump.csv, line 1: .*no header line but 1735689600000, 1, 2, 1, 2, 5"),
        (f"open_time,open,high,low,close,volume,colour,x,x2\n{OKX_API}", OKX, "open_time: expected only the columns"),
        (f"open_time,time,high,low,close,volume,turnover\n{BYBIT_BAR}", BYBIT, "open_time: expected only the columns"),
        ("open_time,open,high,low,close,vol,volume\n" + BYBIT_BAR, BYBIT, "volume: expected volume once, got both vol"),
        (BINANCE.replace(",0.315,", ",-1,"), MINUTES, "low: expected a number .*, got '-1' in row 1"),
        (
            OKX_API.replace("27.0,27.0,8.5,1", "27.0,27.0,8.5,0"),
            OKX,
            "opened_at: expected a bar that is over, got none",
        ),
    ],
)
def test_a_file_that_no_exchange_published_is_named(tmp_path, text: str, series, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=f"^{words}"):
        read(text, tmp_path, series)


def test_a_bar_that_the_exchange_calls_unfinished_is_left_out(tmp_path) -> None:  # type: ignore[no-untyped-def]
    later = OKX_API.replace("1735689600000", "1735689660000").replace("8.5,1", "8.5,0")
    assert read(OKX_API + later, tmp_path, OKX)["opened_at"].to_list() == [NEW_YEAR]
