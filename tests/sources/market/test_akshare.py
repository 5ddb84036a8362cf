"""The akshare provider, through the real package, against a local server that answers as the quote pages do."""

from collections.abc import Iterator
from datetime import date
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import pytest

from countersign.domain.market.bars import normalise_bars, normalise_index_levels
from countersign.domain.market.listings import normalise_instruments
from countersign.models.datasets import BARS
from countersign.models.errors import SourceBusy, SourceRefused
from countersign.sources.market.akshare import AkshareProvider
from tests.support.services import FakeEastmoney, Reply, serve

SESSION = date(2025, 1, 2)
installed = find_spec("akshare") is not None
# The package is behind pandas in places; that is between the two of them.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
needs_akshare = pytest.mark.skipif(not installed, reason="the optional extra akshare is not installed")


def row(code: str, name: str, **fields: Any) -> dict[str, Any]:
    """A snapshot's row: f2 last, f5 lots, f6 amount, f12 code, f14 name, f15 high, f16 low, f17 open, f18 previous."""
    quoted = {"f2": 10.5, "f5": 1234, "f6": 1295700.5, "f15": 10.8, "f16": 9.9, "f17": 10.0, "f18": 10.1, "f3": 1.0}
    return {"f12": code, "f14": name, **quoted, **fields}


PAUSED = dict.fromkeys(("f2", "f5", "f6", "f15", "f16", "f17", "f3"), "-")


def kline(day: str, close: float) -> str:
    return f"{day},3900.0,{close},3950.0,3880.0,100,1000.0,1.2"


@pytest.fixture
def service() -> FakeEastmoney:
    """A stand-in for the service, with rows of every kind."""
    return FakeEastmoney(
        shares=[
            row("600000", "浦发银行"),
            row("000002", "*ST万科A", **PAUSED),
            row("300750", "宁德时代"),
            row("920001", "北交样本"),
            row("301999", "未上市", **PAUSED | {"f18": "-"}),
        ],
        funds=[
            row("510300", "沪深300ETF", f297=20250102, f124=1735801200),
            row("159999", "旧ETF", f297=20241231, f124=1735628400),
        ],
        lines={
            "1.000300": [kline("2024-12-31", 3934.91), kline("2025-01-02", 3820.4)],
            "1.000905": [kline("2025-01-02", 5600.25)],
        },
    )


@pytest.fixture
def provider(service: FakeEastmoney, monkeypatch: pytest.MonkeyPatch) -> Iterator[AkshareProvider]:
    """The package has its addresses written into its functions, so its HTTP library is led to the local server."""
    adapters = pytest.importorskip("requests.adapters", exc_type=ImportError)
    functions = pytest.importorskip("akshare.utils.func", reason="the optional extra akshare is not installed")
    send = adapters.HTTPAdapter.send
    with serve(service) as address:

        def send_home(self: Any, request: Any, **options: Any) -> Any:
            parts = urlsplit(request.url)
            request.url = f"{address}{parts.path}?{parts.query}"
            return send(self, request, **options)

        monkeypatch.setattr(adapters.HTTPAdapter, "send", send_home)
        monkeypatch.setattr(functions.time, "sleep", lambda _seconds: None)
        yield AkshareProvider()


@needs_akshare
def test_bars_come_in_shares_with_reference_prices(provider: AkshareProvider) -> None:
    frame = provider.fetch_bars(SESSION)
    assert dict(frame.select("symbol", "pre_close").iter_rows())["600000.SH"] == 10.1
    bars = normalise_bars(frame.drop("pre_close"), {SESSION})
    assert bars["symbol"].to_list() == ["000002.SZ", "300750.SZ", "510300.SH", "600000.SH", "920001.BJ"]
    assert bars.select("open", "high", "low", "close", "volume", "amount", "suspended", "is_st").row(3) == (
        *(10.0, 10.8, 9.9, 10.5),
        123400.0,
        1295700.5,
        False,
        False,
    )
    paused = bars.row(0, named=True)
    assert (paused["suspended"], paused["volume"], paused["close"], paused["is_st"]) == (True, 0.0, 10.1, True)
    assert list(bars.columns) == list(BARS.schema)


@needs_akshare
def test_all_pages_are_fetched(service: FakeEastmoney, provider: AkshareProvider) -> None:
    service.shares = [row(f"{600000 + n}", "样本") for n in range(250)]
    assert provider.fetch_bars(SESSION).height == 251


@needs_akshare
def test_index_levels_are_of_the_indices_it_has(provider: AkshareProvider) -> None:
    levels = normalise_index_levels(provider.fetch_index_levels(SESSION), {SESSION})
    assert dict(levels.select("index", "close").iter_rows()) == {"hs300": 3820.4, "csi500": 5600.25}


@needs_akshare
def test_only_the_newest_session_can_be_had(provider: AkshareProvider) -> None:
    with pytest.raises(SourceBusy, match="2025-01-03 yet"):
        provider.fetch_bars(date(2025, 1, 3))
    with pytest.raises(SourceRefused, match="newest session, 2025-01-02"):
        provider.fetch_bars(date(2024, 12, 31))
    with pytest.raises(SourceBusy, match="2025-01-03 yet"):
        provider.fetch_index_levels(date(2025, 1, 3))


@needs_akshare
@pytest.mark.parametrize(
    ("failures", "error"),
    [
        ([Reply(b"<html>")], SourceBusy),  # the HTTP library's own error for an answer that is not JSON
        ([Reply({"rc": 0, "data": None})], SourceRefused),
        ([Reply({"rc": 0, "data": {"klines": ["2025-01-02,1,1,1,1,1,1,1"]}})] + 3 * [Reply({}, 503)], SourceBusy),
        ([Reply({"rc": 0, "data": {"klines": ["2025-01-02,1,1,1,1,1,1,1"]}}), Reply({"data": None})], SourceRefused),
    ],
)
def test_errors_are_told_apart(
    service: FakeEastmoney, provider: AkshareProvider, failures: list[Reply], error: type[Exception]
) -> None:
    service.failures = failures
    with pytest.raises(error):
        provider.fetch_bars(SESSION)
    assert provider.fetch_index_levels(SESSION).height == 2


class Tables(AkshareProvider):
    """The provider with tables by hand in place of the package's, which reads three exchanges' sites."""

    @staticmethod
    def _call(name: str, *arguments: str) -> Any:
        pandas = pytest.importorskip("pandas")
        listed = ["证券代码", "证券简称", "上市日期"]
        tables = {
            ("stock_info_sh_name_code", "主板A股"): (listed, [("600000", "浦发银行", date(1999, 11, 10))]),
            ("stock_info_sh_name_code", "科创板"): (listed, [("688981", "中芯国际", date(2020, 7, 16))]),
            ("stock_info_sz_name_code", "A股列表"): (
                ["板块", "A股代码", "A股简称", "A股上市日期"],
                [("主板", "000001", "平安银行", "1991-04-03"), ("主板", "000002", "万科A", "-")],
            ),
            ("stock_info_bj_name_code",): (listed, [("920002", "万达轴承", date(2024, 5, 30))]),
            ("stock_info_sh_delist", "全部"): (
                ["公司代码", "公司简称", "上市日期", "暂停上市日期"],
                [("600001", "邯郸钢铁", date(1998, 1, 22), date(2009, 12, 29)), ("900956", "东贝B股", None, None)],
            ),
            ("stock_info_sz_delist", "终止上市公司"): (
                [*listed, "终止上市日期"],
                [("000003", "PT金田A", "1991-01-14", "2002-06-14"), ("200003", "PT金田B", "1993-06-29", "2002-06-14")],
            ),
        }
        columns, rows = tables[(name, *arguments)]
        return pandas.DataFrame(rows, columns=columns)


def test_instruments_are_the_listed_and_the_delisted_ones() -> None:
    listings = normalise_instruments(Tables().fetch_instruments())
    assert listings.select("symbol", "name", "board", "listed", "delisted").rows() == [
        ("000001.SZ", "平安银行", "main", date(1991, 4, 3), None),
        ("000002.SZ", "万科A", "main", None, None),
        ("000003.SZ", "PT金田A", "main", date(1991, 1, 14), date(2002, 6, 14)),
        ("600000.SH", "浦发银行", "main", date(1999, 11, 10), None),
        ("600001.SH", "邯郸钢铁", "main", date(1998, 1, 22), date(2009, 12, 29)),
        ("688981.SH", "中芯国际", "star", date(2020, 7, 16), None),
        ("920002.BJ", "万达轴承", "beijing", date(2024, 5, 30), None),
    ]


@pytest.mark.skipif(installed, reason="akshare is installed")
def test_without_the_extra_the_error_says_how_to_get_it() -> None:
    with pytest.raises(SourceRefused, match=r"countersign\[akshare\]"):
        AkshareProvider().fetch_bars(SESSION)
