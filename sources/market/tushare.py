"""The provider `tushare`: its HTTP interface, one JSON request a table, and how its units and errors become ours.

Every request is a POST of {api_name, token, params, fields}; every answer is {code, msg, data: {fields, items,
has_more}}. Volumes come in lots of 100 shares and amounts in thousands of CNY. The token never leaves this module but
in a request.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import httpx
import polars as pl

from countersign.domain.strict_json import read_json
from countersign.models.errors import SourceBusy, SourceRefused
from countersign.sources.market.indices import INDEX_CODES
from countersign.sources.market.listings import sound_listings

DEFAULT_URL = "https://api.tushare.pro"
TIMEOUT_SECONDS = 30.0
PAGE_ROWS = 5000
MOST_PAGES = 100

TEXT_FIELDS = frozenset({"ts_code", "trade_date", "suspend_timing", "name", "list_date", "delist_date"})
LISTING_FIELDS = ("ts_code", "name", "list_date", "delist_date")
LIST_STATUSES = ("L", "D", "P")  # listed, delisted, paused
FACTOR_FIELDS = ("ts_code", "adj_factor")
QUOTE_FIELDS = ("ts_code", "open", "high", "low", "close", "vol", "amount")

# Messages of the service that ask us to wait: "at most N calls a minute (an hour, a day)", "internal error".
LIMIT_MESSAGE = re.compile(r"每(分钟|小时|天)最多访问|频率超限|频次超限")
LIMIT_SECONDS = {"分钟": 60.0, "小时": 3600.0, "天": 86400.0}
BUSY_MESSAGE = re.compile(r"系统内部错误|服务器繁忙|稍后再试")


class TushareProvider:
    """Whole sessions of shares and exchange-traded funds. `transport` lets a test stand in for the network."""

    def __init__(
        self,
        token: str,
        url: str = DEFAULT_URL,
        *,
        page_rows: int = PAGE_ROWS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._token = token
        self._url = url
        self._page_rows = page_rows
        self._transport = transport

    def fetch_bars(self, session: date) -> pl.DataFrame:
        """Bars with factors, limits and special treatment; a whole-day suspension becomes a bar without prices.

        SourceBusy while the day's shares or their factors are not there.
        """
        day = {"trade_date": f"{session:%Y%m%d}"}
        shares = self._query("daily", day, QUOTE_FIELDS)
        share_factors = self._query("adj_factor", day, FACTOR_FIELDS)
        if shares.is_empty() or share_factors.is_empty():  # without factors a dividend would pass for a loss
            raise SourceBusy(f"tushare has no bars of {session} yet")
        quotes = pl.concat([shares, self._query("fund_daily", day, QUOTE_FIELDS)])
        pauses = self._query("suspend_d", {**day, "suspend_type": "S"}, ("ts_code", "suspend_timing"))
        paused = pauses.filter(pl.col("suspend_timing").is_null()).select("ts_code").unique()
        silent = paused.join(quotes, on="ts_code", how="anti").with_columns(vol=0.0, amount=0.0)
        factors = pl.concat([share_factors, self._query("fund_adj", day, FACTOR_FIELDS)])
        limits = self._query("stk_limit", day, ("ts_code", "up_limit", "down_limit"))
        special = self._query("stock_st", day, ("ts_code",)).get_column("ts_code")
        return (
            pl.concat([quotes, silent], how="diagonal")
            .join(factors.unique("ts_code"), on="ts_code", how="left")
            .join(limits.unique("ts_code"), on="ts_code", how="left")
            .select(
                pl.col("ts_code").alias("symbol"),
                pl.lit(session).alias("session"),
                "open",
                "high",
                "low",
                "close",
                (pl.col("vol") * 100).round(0).alias("volume"),
                (pl.col("amount") * 1000).round(2).alias("amount"),
                "adj_factor",
                pl.col("ts_code").is_in(silent.get_column("ts_code").implode()).alias("suspended"),
                pl.col("up_limit").alias("limit_up"),
                pl.col("down_limit").alias("limit_down"),
                pl.col("ts_code").is_in(special.implode()).alias("is_st"),
            )
        )

    def fetch_index_levels(self, session: date) -> pl.DataFrame:
        """Levels of the share indices; SourceBusy while the service has none of them. It has no index of all funds."""
        levels = []
        for universe, (code, publisher) in INDEX_CODES.items():
            params = {"ts_code": f"{code}.{publisher}", "trade_date": f"{session:%Y%m%d}"}
            closes = self._query("index_daily", params, ("ts_code", "close")).get_column("close")
            levels += [(str(universe), session, close) for close in closes]
        if not levels:
            raise SourceBusy(f"tushare has no index levels of {session} yet")
        return pl.DataFrame(levels, schema=["index", "session", "close"], orient="row")

    def fetch_instruments(self) -> pl.DataFrame:
        """Shares of every status and exchange-traded funds. Its old codes that are none today are left out."""
        rows = [self._query("stock_basic", {"list_status": status}, LISTING_FIELDS) for status in LIST_STATUSES]
        rows.append(self._query("fund_basic", {"market": "E"}, LISTING_FIELDS))
        return sound_listings(
            pl.concat(rows).select(
                pl.col("ts_code").alias("symbol"),
                "name",
                pl.col("list_date").str.to_date("%Y%m%d", strict=False).alias("listed"),
                pl.col("delist_date").str.to_date("%Y%m%d", strict=False).alias("delisted"),
            )
        )

    def _query(self, api: str, params: Mapping[str, str], fields: tuple[str, ...]) -> pl.DataFrame:
        """All pages of one table, with exactly `fields`."""
        rows: list[list[Any]] = []
        for _ in range(MOST_PAGES):
            page = {**params, "limit": self._page_rows, "offset": len(rows)}
            data = self._post(api, {"api_name": api, "token": self._token, "params": page, "fields": ",".join(fields)})
            items, more = _rows(api, data, fields)
            rows += items
            if not items or not (more or len(items) >= self._page_rows):
                break
        else:
            raise SourceRefused(f"tushare {api}: more than {MOST_PAGES} pages")
        schema = {name: pl.String if name in TEXT_FIELDS else pl.Float64 for name in fields}
        try:
            return pl.DataFrame(rows, schema=schema, orient="row")
        except (pl.exceptions.PolarsError, TypeError) as error:
            raise SourceRefused(f"tushare {api}: expected rows of {', '.join(fields)}, got others") from error

    def _post(self, api: str, body: Mapping[str, object]) -> dict[str, Any]:
        """The answer's data. The error of a failed request is rebuilt without it, for the request holds the token."""
        try:
            with httpx.Client(transport=self._transport, timeout=TIMEOUT_SECONDS) as client:
                response = client.post(self._url, json=body)
        except httpx.HTTPError as error:
            raise SourceBusy(f"tushare {api}: {type(error).__name__}") from None
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
            raise SourceBusy(f"tushare {api}: HTTP {response.status_code}", _retry_after(response))
        if response.is_error:
            raise SourceRefused(f"tushare {api}: HTTP {response.status_code}")
        try:
            answer = read_json(response.content)
        except ValueError as error:
            why = str(error).replace(self._token, "…")
            raise SourceRefused(f"tushare {api}: an answer that is not the service's JSON: {why}") from None
        try:
            code, message, data = answer["code"], str(answer.get("msg") or ""), answer.get("data")
        except (KeyError, TypeError, AttributeError):
            raise SourceRefused(f"tushare {api}: an answer that is not the service's JSON") from None
        if code != 0:
            raise _refusal(api, code, message.replace(self._token, "…"))
        if not isinstance(data, dict):
            raise SourceRefused(f"tushare {api}: an answer without data")
        return data


def _rows(api: str, data: dict[str, Any], fields: tuple[str, ...]) -> tuple[list[list[Any]], bool]:
    """One page's rows in the order of `fields`, and whether the service says that there are more."""
    try:
        places = [data["fields"].index(name) for name in fields]
        rows = [[row[place] for place in places] for row in data["items"]]
    except (KeyError, ValueError, TypeError, IndexError, AttributeError):
        raise SourceRefused(f"tushare {api}: expected fields {', '.join(fields)}") from None
    numbers = [i for i, name in enumerate(fields) if name not in TEXT_FIELDS]
    for row in rows:
        for i in numbers:
            row[i] = float(row[i]) if isinstance(row[i], int) else row[i]
    return rows, bool(data.get("has_more"))


def _refusal(api: str, code: object, message: str) -> SourceBusy | SourceRefused:
    """Return the error for an answer that refuses: SourceBusy for a rate limit or a failure of theirs."""
    limit = LIMIT_MESSAGE.search(message)
    if limit:
        return SourceBusy(f"tushare {api}: {message}", LIMIT_SECONDS.get(limit.group(1) or "分钟"))
    if BUSY_MESSAGE.search(message):
        return SourceBusy(f"tushare {api}: {message}")
    return SourceRefused(f"tushare {api}: code {code}, {message}")


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else None
