"""The provider `akshare`: snapshots of public quote pages, through the package of that name (an optional extra).

It has no history of the whole market: it delivers the newest session's snapshot. Any other session is refused, and it
must be asked after the close. Snapshots have no adjustment factors; `pre_close`, which the exchanges adjust on ex-days,
stands in for them. Volumes come in lots of 100 shares.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl

from countersign.domain.days import read_days
from countersign.models.errors import SourceBusy, SourceRefused
from countersign.sources.market.indices import INDEX_CODES
from countersign.sources.market.listings import sound_listings

FAR_FUTURE = "20500101"
SHARE_COLUMNS = {"今开": "open", "最高": "high", "最低": "low"}
FUND_COLUMNS = {"开盘价": "open", "最高价": "high", "最低价": "low"}
COMMON_COLUMNS = {
    "代码": "code",
    "名称": "name",
    "最新价": "close",
    "成交量": "lots",
    "成交额": "amount",
    "昨收": "pre_close",
}

LISTED = {"证券代码": "code", "证券简称": "name", "上市日期": "listed"}
# Function of the package, its arguments, its columns under our names. Delisted instruments come last, and count.
LISTING_TABLES: tuple[tuple[str, tuple[str, ...], dict[str, str]], ...] = (
    ("stock_info_sh_name_code", ("主板A股",), LISTED),
    ("stock_info_sh_name_code", ("科创板",), LISTED),
    ("stock_info_sz_name_code", ("A股列表",), {"A股代码": "code", "A股简称": "name", "A股上市日期": "listed"}),
    ("stock_info_bj_name_code", (), LISTED),
    # It calls the day of delisting the day of suspension.
    (
        "stock_info_sh_delist",
        ("全部",),
        {"公司代码": "code", "公司简称": "name", "上市日期": "listed", "暂停上市日期": "delisted"},
    ),
    ("stock_info_sz_delist", ("终止上市公司",), LISTED | {"终止上市日期": "delisted"}),
)


class AkshareProvider:
    """The newest session of shares and exchange-traded funds."""

    def fetch_bars(self, session: date) -> pl.DataFrame:
        """Bars of shares and funds with `pre_close`; a symbol without a trade is suspended at its last close.

        SourceBusy before the session is there, SourceRefused once a later one is.
        """
        self._require_newest(session)
        shares = _take(self._call("stock_zh_a_spot_em"), SHARE_COLUMNS | COMMON_COLUMNS)
        funds = _take(self._call("fund_etf_spot_em"), FUND_COLUMNS | COMMON_COLUMNS | {"数据日期": "day"})
        days = read_days(funds["day"])
        if days is None:
            raise SourceRefused(f"akshare: expected dates as the day of funds, got {funds['day'].dtype}")
        funds = funds.filter(days == session).drop("day")
        idle = ~(pl.col("lots") > 0).fill_null(value=False)
        return (
            pl.concat([shares, funds.select(shares.columns)])
            .with_columns(idle=idle, close=pl.coalesce(pl.when(~idle).then("close"), "pre_close"))
            .filter(pl.col("close") > 0)  # not listed yet
            .select(
                _symbol().alias("symbol"),
                pl.lit(session).alias("session"),
                *(pl.when("idle").then("close").otherwise(name).alias(name) for name in ("open", "high", "low")),
                "close",
                (pl.col("lots").fill_null(0) * 100).alias("volume"),
                pl.col("amount").fill_null(0),
                pl.col("idle").alias("suspended"),
                pl.col("name").str.contains("ST", literal=True).alias("is_st"),
                "pre_close",
            )
        )

    def fetch_index_levels(self, session: date) -> pl.DataFrame:
        """Levels of the share indices; SourceBusy while there is none. There is no index of all funds."""
        day = f"{session:%Y%m%d}"
        levels = []
        for universe, (code, publisher) in INDEX_CODES.items():
            frame = self._call("stock_zh_index_daily_em", f"{publisher.lower()}{code}", day, day)
            levels += [(str(universe), str(row["date"]), float(row["close"])) for row in frame.to_dict("records")]
        if not levels:
            raise SourceBusy(f"akshare has no index levels of {session} yet")
        return pl.DataFrame(levels, schema=["index", "session", "close"], orient="row")

    def fetch_instruments(self) -> pl.DataFrame:
        """Shares that the exchanges list, and those that Shanghai and Shenzhen have delisted. It has no funds."""
        return sound_listings(
            pl.concat(
                [_take_listings(self._call(name, *arguments), columns) for name, arguments, columns in LISTING_TABLES]
            )
        )

    def _require_newest(self, session: date) -> None:
        """Refuse any but the newest session: the snapshots carry no date, so the index's days give it."""
        frame = self._call("stock_zh_index_daily_em", "sh000300", f"{session:%Y%m%d}", FAR_FUTURE)
        days = [str(row["date"]) for row in frame.to_dict("records")]
        if not days or days[0] != str(session):
            raise SourceBusy(f"akshare has no bars of {session} yet")
        if len(days) > 1:
            raise SourceRefused(f"akshare only has the newest session, {days[-1]}, not {session}")

    @staticmethod
    def _call(name: str, *arguments: str) -> Any:
        """Call a function of the package, which answers with pandas frames and raises its parsers' errors."""
        try:
            import akshare  # noqa: PLC0415 - an optional extra, and slow to import
            import requests  # noqa: PLC0415 - comes with it
        except ImportError as error:
            raise SourceRefused("the provider akshare needs its extra: pip install countersign[akshare]") from error
        function: Callable[..., Any] = getattr(akshare, name)
        try:
            return function(*arguments)
        except requests.RequestException as error:
            raise SourceBusy(f"akshare {name}: {type(error).__name__}") from error
        except (KeyError, ValueError, TypeError, IndexError, AttributeError, ZeroDivisionError) as error:
            raise SourceRefused(f"akshare {name}: an answer it cannot read ({type(error).__name__})") from error


def _take(frame: Any, columns: dict[str, str]) -> pl.DataFrame:
    """The named columns of a pandas frame under our names; text stays text, NaN becomes null."""
    _require_columns(frame, columns)
    numbers = pl.col("open", "high", "low", "close", "lots", "amount", "pre_close")
    table: pl.DataFrame = pl.from_pandas(frame[list(columns)])
    return table.rename(columns).with_columns(numbers.cast(pl.Float64))


def _require_columns(frame: Any, columns: dict[str, str]) -> None:
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise SourceRefused(f"akshare: expected columns {', '.join(missing)}")


def _take_listings(frame: Any, columns: dict[str, str]) -> pl.DataFrame:
    """Symbol, name, listed and delisted of a table of the exchanges'; dates come as dates or as text."""
    _require_columns(frame, columns)
    # A missing date is written in several ways, and none of them reads as a date.
    texts = {ours: [str(value) for value in frame[name]] for name, ours in columns.items()}
    table = pl.DataFrame({"delisted": None} | texts, schema_overrides=dict.fromkeys(("delisted", *texts), pl.String))
    days = pl.col("listed", "delisted").str.head(10).str.replace_all("/", "-")
    return table.with_columns(pl.col("code").str.zfill(6)).select(
        _symbol().alias("symbol"), "name", days.str.to_date("%Y-%m-%d", strict=False)
    )


def _symbol() -> pl.Expr:
    """Code and exchange: 4, 8 and 92 are Beijing's, 5 and 6 Shanghai's, the others Shenzhen's."""
    code = pl.col("code")
    exchange = (
        pl.when(code.str.contains("^(4|8|92)"))
        .then(pl.lit("BJ"))
        .when(code.str.contains("^[56]"))
        .then(pl.lit("SH"))
        .otherwise(pl.lit("SZ"))
    )
    return pl.concat_str(code, exchange, separator=".")
