"""Layouts: the columns in which the tools of the field export daily bars, as data. No code but that of the tables.

Source of each, with its units and prices:

tushare: `daily` and `fund_daily`, https://tushare.pro/wctapi/documents/27.md and
https://hestudy.github.io/tushare-sdk/api/stock/daily.html: raw prices, `vol` in lots of 100 shares, `amount` in
thousands of CNY, no rows while suspended; `adj_factor` and `stk_limit` are tables of their own, often joined.

akshare: `stock_zh_a_hist` and `fund_etf_hist_em` (akfamily/akshare, stock_feature/stock_hist_em.py; the doc of
https://akshare.akfamily.xyz/data/stock/stock.html): 成交量 in lots, 成交额 in CNY; `stock_zh_a_daily`
(https://cloud.tencent.com/developer/article/1624183): `volume` in shares. Both write adjusted prices under the same
header when asked to, with raw volumes and amounts.

baostock: `query_history_k_data_plus`, http://baostock.com/baostock/index.php/A股K线数据 and the exports of public code:
`volume` in shares, `amount` in CNY; adjustflag 1 backward-adjusted, 2 forward-adjusted, 3 raw; tradestatus 0 suspended.

joinquant: `get_price`, https://www.joinquant.com/help/api/help#Stock:get_price and the schemas of public code that
quote it: prices, volume and factor are adjusted (fq='pre') unless fq=None is asked for, raw = price / factor, and all
prices are rounded to 0.01 unless round=False; a suspended session has the last close and volume 0, with paused 1.

qlib: docs/component/data.rst of microsoft/qlib: open, high, low, close and volume are adjusted, factor = adjusted
price / original price, everything is NaN while suspended. Prices are divided by the factor, volumes multiplied with it
(scripts/data_collector/yahoo/collector.py).

wind: headers as quoted by public code, such as 代码,简称,日期,前收盘价(元),开盘价(元),…,成交量(股),成交金额(元) and
代码,名称,日期,…,成交额(百万),成交量(股) in GB18030; the last row says 数据来源:Wind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

REQUIRED: Final = ("open", "high", "low", "close", "volume")
VENDORS: Final = ("tushare", "akshare", "baostock", "joinquant", "qlib", "wind")
# Our own columns, which `auto` knows in any encoding and separator too.
OWN: Final = "countersign"
# Left out without a word would be wrong for a column whose name speaks of adjustment.
ADJUSTING: Final = r"(?i)复权|adj|qfq|hfq|factor"


class Basis(Enum):
    """Basis of a layout's prices where the file itself does not show it."""

    RAW = "raw"  # the tool delivers raw prices unless it is asked for others
    UNSAID = "unsaid"  # the tool adjusts unless it is asked not to, and does not say which it did
    ADJUSTED = "adjusted"  # the tool's prices are adjusted


@dataclass(frozen=True)
class Take:
    """Meaning of a source column: a column of bars, or `adjustment`, `trading`, `pre_close`.

    `times` brings it to shares or CNY, None where the header does not say the unit; `unit` names it (empty: CNY).
    """

    column: str
    times: float | None = 1.0
    unit: str = ""


@dataclass(frozen=True)
class Layout:
    """One header of one tool. Any of `telling` tells it from the headers of other tools; names are as `tidy` leaves."""

    vendor: str
    name: str
    takes: Mapping[str, Take]
    telling: frozenset[str]
    basis: Basis = Basis.RAW


def _same(*names: str) -> dict[str, Take]:
    return {name: Take(name) for name in names}


PRICES: Final = _same("open", "high", "low", "close")
LOTS: Final = Take("volume", 100, "lots of 100 shares")
SHARES: Final = Take("volume", 1, "shares")
VOLUME_UNITS: Final = {"股": 1.0, "手": 100.0, "百股": 100.0, "万股": 1e4}
AMOUNT_UNITS: Final = {
    "元": 1.0,
    "千元": 1e3,
    "万元": 1e4,
    "百万": 1e6,
    "百万元": 1e6,
    "亿元": 1e8,
}
CHINESE_PRICES: Final = {"开盘": "open", "最高": "high", "最低": "low", "收盘": "close"}
_WIND_PRICES: Final = {
    **{f"{word}价": column for word, column in CHINESE_PRICES.items()},
    "涨停价": "limit_up",
    "跌停价": "limit_down",
}

LAYOUTS: Final = (
    Layout(
        OWN,
        "our own bars",
        _same("symbol", "session", *PRICES, "volume", "amount", "adj_factor", "suspended", "limit_up", "limit_down")
        | _same("is_st"),
        frozenset({"session"}),
    ),
    Layout(
        "tushare",
        "tushare daily",
        {
            "ts_code": Take("symbol"),
            "trade_date": Take("session"),
            **PRICES,
            "vol": LOTS,
            "amount": Take("amount", 1e3, "thousands of CNY"),
            "adj_factor": Take("adj_factor"),
            "up_limit": Take("limit_up"),
            "down_limit": Take("limit_down"),
        },
        frozenset({"ts_code"}),
    ),
    Layout(
        "akshare",
        "akshare stock_zh_a_hist",
        {
            "日期": Take("session"),
            "股票代码": Take("symbol"),
            "代码": Take("symbol"),
            **{word: Take(column) for word, column in CHINESE_PRICES.items()},
            "成交量": LOTS,
            "成交额": Take("amount"),
        },
        frozenset({"开盘"}),
    ),
    Layout(
        "akshare",
        "akshare stock_zh_a_daily",
        {
            "date": Take("session"),
            "symbol": Take("symbol"),
            "code": Take("symbol"),
            **PRICES,
            "volume": SHARES,
            "amount": Take("amount"),
            "hfq_factor": Take("adj_factor"),
        },
        frozenset({"outstanding_share", "turnover"}),
    ),
    Layout(
        "baostock",
        "baostock query_history_k_data_plus",
        {
            "date": Take("session"),
            "code": Take("symbol"),
            **PRICES,
            "volume": SHARES,
            "amount": Take("amount"),
            "adjustflag": Take("adjustment"),
            "backadjustfactor": Take("adj_factor"),
            "tradestatus": Take("trading"),
            "isst": Take("is_st"),
        },
        frozenset({"adjustflag", "tradestatus", "isst"}),
    ),
    Layout(
        "joinquant",
        "joinquant get_price",
        {
            "time": Take("session"),
            "date": Take("session"),
            "code": Take("symbol"),
            "security": Take("symbol"),
            **PRICES,
            "pre_close": Take("pre_close"),
            "volume": SHARES,
            "money": Take("amount"),
            "factor": Take("adj_factor"),
            "high_limit": Take("limit_up"),
            "low_limit": Take("limit_down"),
            "paused": Take("suspended"),
        },
        frozenset({"money"}),
        Basis.UNSAID,
    ),
    Layout(
        "qlib",
        "qlib features",
        {
            "instrument": Take("symbol"),
            "symbol": Take("symbol"),
            "datetime": Take("session"),
            "date": Take("session"),
            **{f"{dollar}{column}": Take(column) for dollar in ("", "$") for column in PRICES},
            **{f"{dollar}volume": SHARES for dollar in ("", "$")},
            **{f"{dollar}{name}": Take("amount") for dollar in ("", "$") for name in ("money", "amount")},
            **{f"{dollar}factor": Take("adj_factor") for dollar in ("", "$")},
        },
        frozenset({"$close"}),
        Basis.ADJUSTED,
    ),
    Layout(
        "wind",
        "wind daily quotes",
        {
            **{name: Take("symbol") for name in ("代码", "证券代码", "wind代码", "股票代码")},
            **{name: Take("session") for name in ("日期", "交易日期", "时间")},
            **{f"{name}{unit}": Take(column) for name, column in _WIND_PRICES.items() for unit in ("", "(元)")},
            "成交量": Take("volume", None),
            **{f"成交量({unit})": Take("volume", times, unit) for unit, times in VOLUME_UNITS.items()},
            **{word: Take("amount", None) for word in ("成交额", "成交金额")},
            **{
                f"{word}({unit})": Take("amount", times, unit)
                for word in ("成交额", "成交金额")
                for unit, times in AMOUNT_UNITS.items()
            },
            "复权因子": Take("adj_factor"),
            "交易状态": Take("trading"),
        },
        frozenset({"开盘价", "开盘价(元)"}),
    ),
)
