"""Laws of the profiles: bars written in any tool's layout, encoding and separator come back as they were."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.domain.market.bars import normalise_bars
from countersign.domain.market.profiles.reading import understand
from countersign.models.errors import InputError
from countersign.sources.files.loose_files import read_loose

DAYS = [date(2025, 6, 2) + timedelta(days=day) for day in range(5)]
SYMBOLS = ["000001.SZ", "159915.SZ", "300750.SZ", "510300.SH", "600519.SH", "688981.SH", "920002.BJ"]
PRICES = ["open", "high", "low", "close"]
FUNDS = ("51", "15")


def made_bars(seed: int) -> pl.DataFrame:
    """Raw bars on ticks, whole lots, an average price between low and high; some sessions suspended."""
    random = np.random.default_rng(seed)
    rows = []
    for symbol in SYMBOLS:
        tick = 1000 if symbol.startswith(FUNDS) else 100
        factor = int(random.integers(300_000, 9_000_000)) / 999_983
        for day in DAYS:
            low = int(random.integers(200, 20_000))
            high = low + int(random.integers(0, low // 10))
            opened, closed = (int(random.integers(low, high + 1)) for _ in "oc")
            idle = day != DAYS[0] and bool(random.random() < 0.1)
            lots = 0 if idle else int(random.integers(1_000, 10_000_000))
            amount = round(lots * 100 * (low + high) / 2 / tick)
            prices = [None] * 4 if idle else [price / tick for price in (opened, high, low, closed)]
            rows.append((symbol, day, *prices, lots * 100.0, float(amount), factor, idle))
    schema = ["symbol", "session", *PRICES, "volume", "amount", "adj_factor", "suspended"]
    return pl.DataFrame(rows, schema=schema, orient="row").sort("session", "symbol")


def day(form: str) -> pl.Expr:
    return pl.col("session").dt.strftime(form)


def tushare(bars: pl.DataFrame) -> pl.DataFrame:
    traded = bars.filter(~pl.col("suspended"))
    lots, thousands = (pl.col("volume") / 100).alias("vol"), (pl.col("amount") / 1000).alias("amount")
    return traded.select(pl.col("symbol").alias("ts_code"), day("%Y%m%d").alias("trade_date"), *PRICES, lots, thousands)


def akshare(bars: pl.DataFrame) -> pl.DataFrame:
    return bars.filter(~pl.col("suspended")).select(
        day("%Y-%m-%d").alias("日期"),
        pl.col("symbol").str.slice(0, 6).str.strip_chars_start("0").alias("股票代码"),
        开盘="open",
        收盘="close",
        最高="high",
        最低="low",
        成交量=(pl.col("volume") / 100).cast(pl.Int64),
        成交额="amount",
    )


def baostock(bars: pl.DataFrame) -> pl.DataFrame:
    exchange, digits = pl.col("symbol").str.slice(7).str.to_lowercase(), pl.col("symbol").str.slice(0, 6)
    return bars.select(
        day("%Y-%m-%d").alias("date"),
        pl.format("{}.{}", exchange, digits).alias("code"),
        *PRICES,
        pl.col("volume").cast(pl.Int64),
        "amount",
        adjustflag=pl.lit(3),
        tradestatus=1 - pl.col("suspended").cast(pl.Int64),
    )


def joinquant(bars: pl.DataFrame) -> pl.DataFrame:
    exchange = pl.col("symbol").str.slice(7).replace({"SH": "XSHG", "SZ": "XSHE", "BJ": "XBSE"})
    factor = pl.col("adj_factor")
    return bars.select(
        day("%Y-%m-%d").alias("time"),
        pl.format("{}.{}", pl.col("symbol").str.slice(0, 6), exchange).alias("code"),
        *(pl.col(name) * factor for name in PRICES),
        (pl.col("volume") / factor),
        pl.col("amount").alias("money"),
        factor.alias("factor"),
        pl.col("suspended").cast(pl.Float64).alias("paused"),
    )


def qlib(bars: pl.DataFrame) -> pl.DataFrame:
    factor = pl.col("adj_factor")
    return bars.select(
        pl.format("{}{}", pl.col("symbol").str.slice(7), pl.col("symbol").str.slice(0, 6)).alias("instrument"),
        day("%Y-%m-%d").alias("datetime"),
        *((pl.col(name) * factor).alias(f"${name}").cast(pl.Float32) for name in PRICES),
        (pl.col("volume") / factor).alias("$volume"),
        factor.alias("$factor"),
    )


def wind(bars: pl.DataFrame) -> pl.DataFrame:
    names = {"开盘价(元)": "open", "最高价(元)": "high", "最低价(元)": "low", "收盘价(元)": "close"}
    return bars.select(
        pl.col("symbol").alias("代码"),
        day("%Y/%-m/%-d").alias("日期"),
        **names,
        **{"成交量(万股)": pl.col("volume") / 10_000, "成交额(万元)": pl.col("amount") / 10_000},
        交易状态=pl.when("suspended").then(pl.lit("停牌一天")).otherwise(pl.lit("交易")),
    )


LAYOUTS: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], list[str]]] = {
    "tushare": (tushare, [*PRICES, "volume", "amount"]),
    "akshare": (akshare, [*PRICES, "volume", "amount"]),
    "baostock": (baostock, [*PRICES, "volume", "amount", "suspended"]),
    "joinquant": (joinquant, [*PRICES, "volume", "amount", "adj_factor", "suspended"]),
    "qlib": (qlib, [*PRICES, "volume", "adj_factor", "suspended"]),
    "wind": (wind, [*PRICES, "volume", "amount", "suspended"]),
}


def read_back(path: Path, profile: str) -> pl.DataFrame:
    tables, _ = read_loose(path)
    bars, _ = understand(tables, profile)
    return normalise_bars(bars, DAYS)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    vendor=st.sampled_from(list(LAYOUTS)),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le"]),
    separator=st.sampled_from([",", ";", "\t"]),
    named=st.booleans(),
)
def test_bars_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, seed: int, vendor: str, encoding: str, separator: str, named: bool
) -> None:
    bars = made_bars(seed)
    write, columns = LAYOUTS[vendor]
    path = tmp_path_factory.mktemp("export") / "bars.csv"
    path.write_text(write(bars).write_csv(separator=separator), encoding=encoding)
    back = read_back(path, vendor if named else "auto")
    expected = bars if "suspended" in columns else bars.filter(~pl.col("suspended"))
    assert back.select("symbol", "session", *columns).equals(expected.select("symbol", "session", *columns))


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32),
    vendor=st.sampled_from(["tushare", "akshare", "baostock", "wind"]),
    factor=st.floats(0.3, 0.95) | st.floats(1.05, 9),
    named=st.booleans(),
)
def test_adjusted_prices_never_pass_for_raw(
    tmp_path_factory: pytest.TempPathFactory, seed: int, vendor: str, factor: float, named: bool
) -> None:
    """Prices by any factor beyond a session's range, at the volume and amount of old, as these tools deliver them."""
    bars = made_bars(seed).with_columns(pl.col("open").alias("high"), pl.col("open").alias("low"), close="open")
    bars = bars.with_columns((pl.col("volume") * pl.col("open")).fill_null(0).round().alias("amount"))
    adjusted = bars.with_columns((pl.col(name) * factor).round(3) for name in PRICES)
    path = tmp_path_factory.mktemp("export") / "bars.csv"
    path.write_text(LAYOUTS[vendor][0](adjusted).write_csv(), encoding="utf-8")
    with pytest.raises(InputError):
        read_back(path, vendor if named else "auto")


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32),
    vendor=st.sampled_from(["tushare", "akshare", "baostock", "wind"]),
    power=st.sampled_from([-4, -3, -2, -1, 1, 2, 3, 4]),
    named=st.booleans(),
)
def test_no_wrong_unit_passes(
    tmp_path_factory: pytest.TempPathFactory, seed: int, vendor: str, power: int, named: bool
) -> None:
    bars = made_bars(seed).with_columns(pl.col("volume") * 10.0**power)
    path = tmp_path_factory.mktemp("export") / "bars.csv"
    path.write_text(LAYOUTS[vendor][0](bars).write_csv(), encoding="utf-8")
    with pytest.raises(InputError, match=r"within low\.\.high"):
        read_back(path, vendor if named else "auto")
