"""The tushare provider against a local server that answers as the real one does."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import polars as pl
import pytest

from countersign.domain.market.bars import normalise_bars, normalise_index_levels
from countersign.domain.market.listings import normalise_instruments
from countersign.models.errors import SourceBusy, SourceRefused
from countersign.sources.market.tushare import TushareProvider
from tests.support.services import FakeTushare, Reply, serve

SESSION, DAY, TOKEN = date(2025, 1, 2), "20250102", "t0ken-of-secrets"


def quote(code: str, close: float, vol: float = 1234.56, amount: float = 2345.678) -> dict[str, Any]:
    prices = {"open": 10, "high": 12.5, "low": 9.9, "close": close}
    return {"ts_code": code, "trade_date": DAY, **prices, "vol": vol, "amount": amount}


def tables() -> dict[str, list[dict[str, Any]]]:
    day = {"trade_date": DAY}
    return {
        "daily": [
            quote("600000.SH", 10.5),
            quote("300750.SZ", 10.25),
            {**quote("600001.SH", 9), "trade_date": "20241231"},
        ],
        "fund_daily": [quote("510300.SH", 10.123)],
        "adj_factor": [
            {"ts_code": code, **day, "adj_factor": factor}
            for code, factor in (("600000.SH", 14.5), ("300750.SZ", 2), ("000002.SZ", 3.25))
        ],
        "fund_adj": [{"ts_code": "510300.SH", **day, "adj_factor": 1.5}],
        "stk_limit": [{"ts_code": "600000.SH", **day, "up_limit": 11.55, "down_limit": 9.45}],
        "suspend_d": [
            {"ts_code": "000002.SZ", **day, "suspend_type": "S", "suspend_timing": None},
            {"ts_code": "300750.SZ", **day, "suspend_type": "S", "suspend_timing": "09:30-10:00"},
            {"ts_code": "600000.SH", **day, "suspend_type": "R", "suspend_timing": None},
        ],
        "stock_st": [{"ts_code": "000002.SZ", **day, "name": "*ST万科"}],
        "index_daily": [
            {"ts_code": "000300.SH", **day, "close": 3820.3956},
            {"ts_code": "932000.CSI", **day, "close": 2200},
        ],
    }


@pytest.fixture
def service() -> FakeTushare:
    """A stand-in for the service, with tables of every kind."""
    return FakeTushare(TOKEN, tables())


@pytest.fixture
def url(service: FakeTushare) -> Iterator[str]:
    """The address of `service`."""
    with serve(service) as address:
        yield address


def test_bars_come_in_shares_and_yuan(url: str) -> None:
    bars = normalise_bars(TushareProvider(TOKEN, url).fetch_bars(SESSION), {SESSION})
    assert bars["symbol"].to_list() == ["000002.SZ", "300750.SZ", "510300.SH", "600000.SH"]
    assert bars.row(3, named=True) == {
        "symbol": "600000.SH",
        "session": SESSION,
        "open": 10.0,
        "high": 12.5,
        "low": 9.9,
        "close": 10.5,
        "volume": 123456.0,
        "amount": 2345678.0,
        "adj_factor": 14.5,
        "suspended": False,
        "limit_up": 11.55,
        "limit_down": 9.45,
        "is_st": False,
    }
    assert bars["adj_factor"].to_list() == [3.25, 2.0, 1.5, 14.5]
    paused = bars.row(0, named=True)
    assert (paused["suspended"], paused["volume"], paused["close"], paused["is_st"]) == (True, 0.0, None, True)


def test_index_levels_are_of_the_indices_it_has(url: str) -> None:
    levels = normalise_index_levels(TushareProvider(TOKEN, url).fetch_index_levels(SESSION), {SESSION})
    assert dict(levels.select("index", "close").iter_rows()) == {"hs300": 3820.3956, "csi2000": 2200.0}


def test_instruments_are_shares_of_every_status_and_funds(service: FakeTushare, url: str) -> None:
    def listing(code: str, name: str, listed: str | None, delisted: str | None, status: str) -> dict[str, Any]:
        return {"ts_code": code, "name": name, "list_date": listed, "delist_date": delisted, "list_status": status}

    service.tables["stock_basic"] = [
        listing("600000.SH", "浦发银行", "19991110", None, "L"),
        listing("600001.SH", "邯郸钢铁", "19980122", "20091229", "D"),
        listing("T00018.SH", "上港集箱", "20000719", "20061020", "D"),
        listing("600002.SH", "先后颠倒", "19980408", "19980408", "D"),
        listing("000003.SZ", "PT金田A", "19910114", None, "P"),
    ]
    service.tables["fund_basic"] = [
        {**listing("510300.SH", "沪深300ETF", "20120528", None, "L"), "market": "E"},
        {**listing("000001.OF", "华夏成长", None, None, "L"), "market": "O"},
        {**listing("519001.SH", "银华价值", None, None, "L"), "market": "E"},
    ]
    listings = normalise_instruments(TushareProvider(TOKEN, url, page_rows=1).fetch_instruments())
    assert listings.select("symbol", "name", "kind", "listed", "delisted").rows() == [
        ("000003.SZ", "PT金田A", "share", date(1991, 1, 14), None),
        ("510300.SH", "沪深300ETF", "fund", date(2012, 5, 28), None),
        ("600000.SH", "浦发银行", "share", date(1999, 11, 10), None),
        ("600001.SH", "邯郸钢铁", "share", date(1998, 1, 22), date(2009, 12, 29)),
    ]


@pytest.mark.parametrize(("page_rows", "most_rows"), [(2, 6000), (1, 6000), (5000, 1), (5000, 2)])
def test_all_pages_are_fetched(service: FakeTushare, url: str, page_rows: int, most_rows: int) -> None:
    service.most_rows = most_rows
    whole = normalise_bars(TushareProvider(TOKEN, url, page_rows=page_rows).fetch_bars(SESSION), {SESSION})
    service.most_rows = 6000
    assert whole.equals(normalise_bars(TushareProvider(TOKEN, url).fetch_bars(SESSION), {SESSION}))


def test_bars_wait_for_their_factors(service: FakeTushare, url: str) -> None:
    service.tables["adj_factor"] = []
    with pytest.raises(SourceBusy, match="2025-01-02 yet"):
        TushareProvider(TOKEN, url).fetch_bars(SESSION)


def test_before_the_close_there_is_nothing_yet(service: FakeTushare, url: str) -> None:
    service.tables["daily"] = service.tables["index_daily"] = []
    provider = TushareProvider(TOKEN, url)
    for fetch in (provider.fetch_bars, provider.fetch_index_levels):
        with pytest.raises(SourceBusy, match="2025-01-02 yet"):
            fetch(SESSION)


@pytest.mark.parametrize(
    ("failure", "error", "retry_after"),
    [
        (FakeTushare.error(40203, "抱歉，您每分钟最多访问该接口200次，权限的具体详情访问：…"), SourceBusy, 60.0),
        (FakeTushare.error(40203, "抱歉，您每小时最多访问该接口1次，权限的具体详情访问：…"), SourceBusy, 3600.0),
        (FakeTushare.error(50101, "系统内部错误"), SourceBusy, None),
        (FakeTushare.error(40203, "抱歉，您没有接口访问权限，权限的具体详情访问：…"), SourceRefused, None),
        (Reply({}, 429, {"retry-after": "7"}), SourceBusy, 7.0),
        (Reply(b"<html>bad gateway</html>", 502), SourceBusy, None),
        (Reply({}, 404), SourceRefused, None),
        (Reply(b"<html>welcome</html>"), SourceRefused, None),
        (Reply([1, 2]), SourceRefused, None),
        (Reply({"code": 0, "msg": "", "data": None}), SourceRefused, None),
        (Reply({"code": 0, "data": {"fields": ["ts_code"], "items": [["600000.SH"]]}}), SourceRefused, None),
        (Reply({"code": 0, "data": {"fields": [*quote("x", 1)], "items": [["600000.SH", DAY]]}}), SourceRefused, None),
        (
            Reply({"code": 0, "data": {"fields": [*quote("x", 1)], "items": [["600000.SH", DAY, *"abcdef"]]}}),
            SourceRefused,
            None,
        ),
    ],
)
def test_errors_are_told_apart(
    service: FakeTushare, url: str, failure: Reply, error: type[Exception], retry_after: float | None
) -> None:
    service.failures = [failure]
    with pytest.raises(error) as caught:
        TushareProvider(TOKEN, url).fetch_bars(SESSION)
    assert getattr(caught.value, "retry_after_seconds", None) == retry_after
    assert len(TushareProvider(TOKEN, url).fetch_bars(SESSION)) == 4  # the next time it works


def test_a_wrong_token_is_refused_and_never_shown(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    provider = TushareProvider("wr0ng-token", url)
    with pytest.raises(SourceRefused, match="token不对") as caught:
        provider.fetch_bars(SESSION)
    chain = [caught.value, caught.value.__cause__, caught.value.__context__, provider, caplog.text]
    assert not any("wr0ng-token" in repr(link) for link in chain)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b'{"code": 40001, "msg": "", "code": 0, "data": {}}', "got 'code' twice"),
        (b'{"code": 0, "data": {"fields": [], "fields": ["ts_code"], "items": []}}', "got 'fields' twice"),
        (b'{"code": 0, "data": {"fields": [NaN], "items": []}}', "NaN is no number"),
        (b'{"code": %b}' % (b"9" * 5_000), "digits"),
        (b"[" * 100_000, "too deep"),
        (b'{"%b": 1, "%b": 2}' % (TOKEN.encode(), TOKEN.encode()), "got '…' twice"),
    ],
    ids=["a code twice", "fields twice", "no number", "a huge number", "deep", "the token twice"],
)
def test_an_answer_that_means_two_things_or_harm_is_refused(
    service: FakeTushare, url: str, answer: bytes, words: str
) -> None:
    service.failures = [Reply(answer)]
    with pytest.raises(SourceRefused, match=words) as caught:
        TushareProvider(TOKEN, url).fetch_bars(SESSION)
    assert TOKEN not in str(caught.value)


def test_a_service_out_of_reach_is_busy() -> None:
    with serve(FakeTushare(TOKEN, {})) as address:
        pass
    with pytest.raises(SourceBusy, match="ConnectError"):
        TushareProvider(TOKEN, address).fetch_bars(SESSION)


def test_an_endless_table_is_refused(url: str, service: FakeTushare) -> None:
    service.tables["daily"] = [quote("600000.SH", 10.0)] * 200
    with pytest.raises(SourceRefused, match="pages"):
        TushareProvider(TOKEN, url, page_rows=1).fetch_bars(SESSION)


def test_rows_are_a_frame_of_plain_types(url: str) -> None:
    frame = TushareProvider(TOKEN, url).fetch_bars(SESSION)
    assert {frame.schema[name] for name in ("open", "volume", "adj_factor", "limit_up")} == {pl.Float64}
