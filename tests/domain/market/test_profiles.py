"""Each tool's daily bars, made up but laid out as the tool writes them, and the bars that they are, by hand."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from countersign.domain.market.bars import normalise_bars
from countersign.domain.market.profiles.reading import understand
from countersign.models.errors import InputError
from countersign.sources.files.loose_files import read_loose
from tests.support.workbooks import Cell, write_workbook

MONDAY, TUESDAY, WEDNESDAY = date(2025, 6, 23), date(2025, 6, 24), date(2025, 6, 25)
PRICES = ["open", "high", "low", "close"]


def imported(path: Path, profile: str) -> tuple[pl.DataFrame, list[str]]:
    tables, found = read_loose(path)
    bars, remarks = understand(tables, profile)
    return normalise_bars(bars, [MONDAY, TUESDAY, WEDNESDAY]), found + remarks


def rows(bars: pl.DataFrame, *columns: str) -> list[tuple[object, ...]]:
    return bars.select("symbol", "session", *PRICES, "volume", *columns).rows()


def saved(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


TUSHARE = """ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount
600519.SH,20250623,1420.0,1430.5,1415.0,1428.0,1421.0,7.0,0.4926,20000.5,2850071.25
000001.SZ,20250623,12.1,12.3,12.0,12.2,12.05,0.15,1.2448,800000.0,976000.0
"""


@pytest.mark.parametrize("profile", ["tushare", "auto"])
def test_daily_bars_of_tushare_are_imported(tmp_path: Path, profile: str) -> None:
    """20,000.5 lots are 2,000,050 shares, 2,850,071.25 thousands of CNY are 2,850,071,250 CNY."""
    bars, remarks = imported(saved(tmp_path, "daily.csv", TUSHARE), profile)
    assert rows(bars, "amount", "adj_factor", "suspended") == [
        ("000001.SZ", MONDAY, 12.1, 12.3, 12.0, 12.2, 80_000_000.0, 976_000_000.0, None, False),
        ("600519.SH", MONDAY, 1420.0, 1430.5, 1415.0, 1428.0, 2_000_050.0, 2_850_071_250.0, None, False),
    ]
    assert remarks == [
        "read: daily.csv (UTF-8, separated by commas)",
        "profile: tushare daily",
        "columns: ts_code -> symbol; trade_date -> session; vol -> volume x 100 (lots of 100 shares); "
        "amount -> amount x 1000 (thousands of CNY); open, high, low, close as they are",
        "columns left out: pre_close, change, pct_chg",
        "prices: taken as raw, for nothing speaks of adjustment",
        "checked: amount / volume lies within low..high in 2 of 2 rows",
    ]


def test_tushares_factors_are_a_table_of_their_own(tmp_path: Path) -> None:
    saved(tmp_path, "daily.csv", TUSHARE)
    saved(tmp_path, "adj_factor.csv", "ts_code,trade_date,adj_factor\n600519.SH,20250623,8.2\n600519.SH,20250624,8.2\n")
    bars, remarks = imported(tmp_path, "tushare")
    assert bars.select("symbol", "adj_factor").rows() == [("000001.SZ", None), ("600519.SH", 8.2)]
    assert remarks[1:3] == [
        "joined: adj_factor of adj_factor by ts_code and trade_date",
        "rows without a factor: 1",
    ]
    saved(tmp_path, "adj_factor.csv", "ts_code,trade_date,adj_factor\n600519.SH,20250624,8.2\n")
    with pytest.raises(InputError, match="adj_factor: expected factors of the rows' ts_code and trade_date, got none"):
        imported(tmp_path, "tushare")


AKSHARE = """日期,股票代码,开盘,收盘,最高,最低,成交量,成交额,振幅,涨跌幅,涨跌额,换手率
2025-06-23,{code},12.1,12.2,12.3,12.0,800000,976000000.0,2.49,1.24,0.15,0.41
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16"])
@pytest.mark.parametrize("profile", ["akshare", "auto"])
def test_hist_bars_of_akshare_are_imported(tmp_path: Path, profile: str, encoding: str) -> None:
    bars, _ = imported(saved(tmp_path, "hist.csv", AKSHARE.format(code="000001"), encoding), profile)
    expected = [("000001.SZ", MONDAY, 12.1, 12.3, 12.0, 12.2, 80_000_000.0, 976_000_000.0)]
    assert rows(bars, "amount") == expected
    assert rows(imported(saved(tmp_path, "hist.csv", AKSHARE.format(code="1"), encoding), profile)[0], "amount") == (
        expected
    )


def test_akshare_funds_are_files_named_by_their_code(tmp_path: Path) -> None:
    """fund_etf_hist_em has no column of codes: 1,000 lots of 3.05 are 305,000 CNY."""
    header = "日期,开盘,收盘,最高,最低,成交量,成交额,振幅,涨跌幅,涨跌额,换手率\n"
    saved(tmp_path, "sh510300.csv", f"{header}2025-06-23,3.04,3.05,3.06,3.03,1000,305000.0,1,0.3,0.01,0.1\n")
    saved(tmp_path, "159915.csv", f"{header}2025/6/24,2.04,2.05,2.06,2.03,1000,205000.0,1,0.3,0.01,0.1\n")
    bars, remarks = imported(tmp_path, "akshare")
    assert rows(bars) == [
        ("510300.SH", MONDAY, 3.04, 3.06, 3.03, 3.05, 100_000.0),
        ("159915.SZ", TUESDAY, 2.04, 2.06, 2.03, 2.05, 100_000.0),
    ]
    assert remarks[2].startswith("columns: 日期 -> session;")
    assert "file name -> symbol" in remarks[2]


SINA = """,date,open,high,low,close,volume,amount,outstanding_share,turnover
0,2025-06-23,12.1,12.3,12.0,12.2,80000000.0,976000000.0,19405600653.0,0.0041
"""


@pytest.mark.parametrize("profile", ["akshare", "auto"])
def test_akshare_daily_counts_in_shares(tmp_path: Path, profile: str) -> None:
    bars, remarks = imported(saved(tmp_path, "sz000001.csv", SINA), profile)
    assert rows(bars, "amount") == [("000001.SZ", MONDAY, 12.1, 12.3, 12.0, 12.2, 80_000_000.0, 976_000_000.0)]
    assert "columns left out: an index, outstanding_share, turnover" in remarks


BAOSTOCK = """date,code,open,high,low,close,preclose,volume,amount,adjustflag,turn,tradestatus,pctChg,isST
2025-06-23,sh.600000,12.10,12.30,12.00,12.20,12.05,80000000,976000000.00,{flag},0.27,1,1.24,0
2025-06-24,sh.600000,12.20,12.20,12.20,12.20,12.20,,,{flag},,0,,1
2025-06-24,sh.000300,3900.10,3910.10,3890.10,3905.10,3901.10,80000000,976000000.00,{flag},,1,0.10,0
"""


@pytest.mark.parametrize("profile", ["baostock", "auto"])
def test_bars_of_baostock_are_imported(tmp_path: Path, profile: str) -> None:
    bars, remarks = imported(saved(tmp_path, "k_data.csv", BAOSTOCK.format(flag=3)), profile)
    assert rows(bars, "amount", "suspended", "is_st") == [
        ("600000.SH", MONDAY, 12.1, 12.3, 12.0, 12.2, 80_000_000.0, 976_000_000.0, False, False),
        ("600000.SH", TUESDAY, 12.2, 12.2, 12.2, 12.2, 0.0, 0.0, True, True),
    ]
    said = "rows left out, of what is no A share, Beijing share or exchange-traded fund: 1 (000300.SH)"
    assert said in remarks
    assert "rows suspended, without a trade: 1" in remarks


@pytest.mark.parametrize(("flag", "kind"), [(1, "backward"), (2, "forward")])
def test_baostocks_adjusted_prices_are_refused(tmp_path: Path, flag: int, kind: str) -> None:
    path = saved(tmp_path, "k_data.csv", BAOSTOCK.format(flag=flag))
    with pytest.raises(InputError) as caught:
        imported(path, "baostock")
    assert str(caught.value) == (
        "adjustflag: expected 3, raw prices (dividends would be counted twice and price limits be wrong), "
        f"got {kind}-adjusted prices without a factor"
    )


JOINQUANT = """,time,code,open,close,low,high,volume,money,factor,high_limit,low_limit,avg,pre_close,paused
0,2025-06-23,600519.XSHG,8.74962428,9.18621128,8.74087214,9.19494342,1144177.0,10340000.0,0.873214,9.63155,7.8763903,9.0,8.74,0.0
1,2025-06-24,600519.XSHG,10.53,10.61,10.4,10.7,1000000.0,10550000.0,1.0,11.57,9.47,10.55,10.52,0.0
2,2025-06-25,600519.XSHG,10.61,10.61,10.61,10.61,0.0,0.0,1.0,11.67,9.55,10.61,10.61,1.0
"""


@pytest.mark.parametrize("profile", ["joinquant", "auto"])
def test_joinquant_forward_adjusted_with_its_factor(tmp_path: Path, profile: str) -> None:
    """8.74087214 / 0.873214 = 10.01, and so on; 1,144,177 x 0.873214 = 999,111.4 shares; 9.63155 / 0.873214 = 11.03."""
    bars, remarks = imported(saved(tmp_path, "price.csv", JOINQUANT), profile)
    assert rows(bars, "adj_factor", "limit_up", "limit_down", "suspended") == [
        ("600519.SH", MONDAY, 10.02, 10.53, 10.01, 10.52, 999_111.0, 0.873214, 11.03, 9.02, False),
        ("600519.SH", TUESDAY, 10.53, 10.7, 10.4, 10.61, 1_000_000.0, 1.0, 11.57, 9.47, False),
        ("600519.SH", WEDNESDAY, 10.61, 10.61, 10.61, 10.61, 0.0, 1.0, 11.67, 9.55, True),
    ]
    assert any(remark.startswith("prices: adjusted; price / factor is the raw price") for remark in remarks)
    assert "volumes: adjusted too; volume x factor is taken, to whole shares" in remarks


def joinquant(*lines: str, header: str = "code,open,close,low,high,volume,money,factor") -> str:
    return "\n".join([f",{header}", *lines, ""])


def test_joinquant_raw_prices_have_a_factor_that_says_nothing(tmp_path: Path) -> None:
    """With fq=None the factor is 1; the days are the index."""
    text = joinquant("2025-06-23,600519.XSHG,10.02,10.52,10.01,10.53,1000000.0,10250000.0,1.0")
    bars, remarks = imported(saved(tmp_path, "price.csv", text), "joinquant")
    assert rows(bars, "adj_factor") == [("600519.SH", MONDAY, 10.02, 10.53, 10.01, 10.52, 1_000_000.0, None)]
    assert "the index -> session" in remarks[2]


def test_joinquant_prices_rounded_after_adjustment_are_refused(tmp_path: Path) -> None:
    """A bonus on Tuesday: the raw price would halve from 21.6, and these go on at 10.5."""
    text = joinquant(
        "2025-06-23,600519.XSHG,10.41,10.53,10.33,10.55,1000000.0,10450000.0,0.4871",
        "2025-06-24,600519.XSHG,10.55,10.61,10.4,10.7,1000000.0,10550000.0,1.0",
    )
    with pytest.raises(InputError, match="got adjusted prices that were rounded afterwards"):
        imported(saved(tmp_path, "price.csv", text), "joinquant")


def test_joinquant_prices_of_which_it_cannot_be_told_are_refused(tmp_path: Path) -> None:
    text = joinquant("2025-06-23,600519.XSHG,10.41,10.53,10.33,10.55,1000000.0,10450000.0,0.4871")
    with pytest.raises(InputError, match="it cannot be told: the factor changes too little"):
        imported(saved(tmp_path, "price.csv", text), "joinquant")
    header = "code,open,close,low,high,volume,money"
    text = joinquant("2025-06-23,600519.XSHG,10.41,10.53,10.33,10.55,1000000.0,10450000.0", header=header)
    with pytest.raises(InputError, match="it cannot be told: there is no factor, and too few limits"):
        imported(saved(tmp_path, "price.csv", text), "joinquant")


def test_joinquant_limits_show_that_prices_are_raw_or_are_not(tmp_path: Path) -> None:
    """The limit of 10.01 + k cents is 10 % above, half up to the cent. Times 0.9 and rounded it is so no longer."""
    header = "code,open,close,low,high,volume,money,high_limit,pre_close"

    def lines(factor: float) -> list[str]:
        made = []
        for k in range(25):
            close, limit = (1001 + k) / 100, ((1001 + k) * 11 + 5) // 10 / 100
            prices = ",".join([str(round(close * factor, 2))] * 4)
            limits = f"{round(limit * factor, 2)},{round(close * factor, 2)}"
            made.append(f"2025-06-23,{600000 + k}.XSHG,{prices},1000000.0,{close * factor * 1e6},{limits}")
        return made

    raw, _ = imported(saved(tmp_path, "raw.csv", joinquant(*lines(1.0), header=header)), "joinquant")
    assert raw["limit_up"].to_list()[:3] == [11.01, 11.02, 11.03]
    with pytest.raises(InputError, match=r"raw prices, or adjusted ones with their factor .* limits that are no 5%"):
        imported(saved(tmp_path, "pre.csv", joinquant(*lines(0.9), header=header)), "joinquant")


def qlib() -> pl.DataFrame:
    """10.01, 10.53 and 10.02 times 0.873214, 999,111 / 0.873214 shares, as Float32; nothing on a suspended session."""
    factor = 0.873214
    real = {"$open": 10.02, "$close": 10.52, "$high": 10.53, "$low": 10.01}
    values = {name: [price * factor, None] for name, price in real.items()}
    frame = pl.DataFrame({**values, "$volume": [999_111 / factor, None], "$factor": [factor, None]})
    return frame.cast(pl.Float32).select(
        pl.Series("instrument", ["SH600519"] * 2),
        pl.Series("datetime", [MONDAY, TUESDAY]).cast(pl.Datetime("ns")),
        pl.all().fill_null(float("nan")),
    )


@pytest.mark.parametrize("profile", ["qlib", "auto"])
def test_bars_of_qlib_are_imported(tmp_path: Path, profile: str) -> None:
    qlib().write_parquet(tmp_path / "features.parquet")
    bars, remarks = imported(tmp_path / "features.parquet", profile)
    assert rows(bars, "suspended") == [
        ("600519.SH", MONDAY, 10.02, 10.53, 10.01, 10.52, 999_111.0, False),
        ("600519.SH", TUESDAY, None, None, None, None, 0.0, True),
    ]
    assert bars["adj_factor"][0] == pytest.approx(0.873214, rel=1e-7)
    assert "not checked: the unit of volumes, for there are no amounts" in remarks


def test_a_factor_that_is_one_says_nothing_against_raw_prices(tmp_path: Path) -> None:
    header = "ts_code,trade_date,open,high,low,close,vol,adj_factor\n"
    path = saved(tmp_path, "daily.csv", f"{header}600000.SH,20250623,12.1,12.3,12.0,12.2,100,1.0\n")
    assert imported(path, "auto")[0].select("volume", "adj_factor").rows() == [(10_000.0, 1.0)]
    path = saved(tmp_path, "daily.csv", f"{header}600000.SH,20250623,12.1,12.3,12.0,12.2,100,1.7\n")
    with pytest.raises(InputError, match=r"--from tushare\), for the file has no amounts"):
        imported(path, "auto")
    assert imported(path, "tushare")[0].select("close", "adj_factor").rows() == [(12.2, 1.7)]


def test_qlib_without_its_factor_or_with_a_strange_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "features.parquet"
    qlib().drop("$factor").write_parquet(path)
    with pytest.raises(InputError, match="factor: expected the factor of adjusted prices"):
        imported(path, "qlib")
    qlib().with_columns(pl.col("$factor") * 1.01).write_parquet(path)
    # 10.02 / 1.01 = 9.9208 and 10.01 / 1.01 = 9.9109 are near a tick, 10.4158 and 10.4257 are not.
    with pytest.raises(InputError, match="100% of prices off the tick, and 50% of price / factor too"):
        imported(path, "qlib")


WIND = [
    ["代码", "简称", "日期", "前收盘价(元)", "开盘价(元)", "最高价(元)", "最低价(元)", "收盘价(元)"],
    ["600000.SH", "浦发银行", "2025/6/23", 12.05, 12.1, 12.3, 12.0, 12.2],
    ["600000.SH", "浦发银行", "2025/6/24", 12.2, "--", "--", "--", 12.2],
]
QUANTITIES = [["成交量(万股)", "成交额(万元)", "交易状态"], [8000.0, 97600.0, "交易"], [0.0, 0.0, "停牌一天"]]
FOOTER = ["数据来源:Wind"]


def wind(quantities: list[list[str | float]]) -> list[list[Cell]]:
    return [[*left, *right] for left, right in zip(WIND, quantities, strict=True)] + [FOOTER]


@pytest.mark.parametrize("profile", ["wind", "auto"])
@pytest.mark.parametrize("name", ["wind.csv", "wind.xlsx"])
def test_bars_of_wind_are_imported(tmp_path: Path, profile: str, name: str) -> None:
    """8,000 times 10,000 shares and 97,600 times 10,000 CNY."""
    table = wind(QUANTITIES)
    if name.endswith("xlsx"):
        table[1][2] = MONDAY
        path = write_workbook(tmp_path / name, table)
    else:
        path = saved(tmp_path, name, "\n".join(",".join(map(str, line)) for line in table), "gb18030")
    bars, remarks = imported(path, profile)
    assert rows(bars, "amount", "suspended") == [
        ("600000.SH", MONDAY, 12.1, 12.3, 12.0, 12.2, 80_000_000.0, 976_000_000.0, False),
        ("600000.SH", TUESDAY, None, None, None, 12.2, 0.0, 0.0, True),
    ]
    assert "left out a note: 数据来源:Wind" in remarks
    assert "columns left out: 简称, 前收盘价(元)" in remarks


def test_winds_units_are_told_by_content_where_one_alone_fits(tmp_path: Path) -> None:
    lots = [["成交量", "成交额(元)", "交易状态"], [800000.0, 976e6, "交易"], [0.0, 0.0, "停牌一天"]]
    bars, remarks = imported(write_workbook(tmp_path / "wind.xlsx", wind(lots)), "wind")
    assert bars["volume"].to_list() == [80_000_000.0, 0.0]
    assert "units by content: volume x 100 is shares, amount x 1 is CNY" in remarks
    other = [["成交量", "成交额", "交易状态"], [800000.0, 97600.0, "交易"], [0.0, 0.0, "停牌一天"]]
    bars, _ = imported(write_workbook(tmp_path / "wind.xlsx", wind(other)), "wind")
    assert bars["amount"].to_list() == [976e6, 0.0]  # lots and 10,000 CNY, the one pair 100 times apart
    either = [["成交量", "成交额", "交易状态"], [80e6, 97600.0, "交易"], [0.0, 0.0, "停牌一天"]]
    with pytest.raises(InputError, match=r"成交量: expected a unit in the header.* got several of"):
        imported(write_workbook(tmp_path / "wind.xlsx", wind(either)), "wind")


@pytest.mark.parametrize(
    ("profile", "text", "name", "words"),
    [
        ("sina", TUSHARE, "a.csv", "from: expected one of tushare, akshare, baostock, joinquant, qlib, wind, auto"),
        ("akshare", TUSHARE, "a.csv", "from: expected the header of akshare .* without volume"),
        ("auto", "a,b\n1,2\n", "a.csv", "from: expected a known header, got a, b, without"),
        ("auto", TUSHARE.replace("ts_code", "code"), "a.csv", r"from: expected the profile by name \(tushare\?\)"),
        (
            "auto",
            "date,open,high,low,close,volume\n2025-06-23,1,1,1,1,1\n",
            "sh600000.csv",
            r"the profile by name \(akshare or baostock or joinquant or qlib\?\)",
        ),
        (
            "auto",
            "date,open,high,low,close,volume,turnover\n2025-06-23,1,1,1,1,1,1\n",
            "sh600000.csv",
            r"--from akshare\), for the file has no amounts",
        ),
        ("tushare", TUSHARE.replace("change", "adj_close"), "a.csv", "adj_close: .* raw prices are needed"),
        ("tushare", TUSHARE.replace("20250623", "Jun 23"), "a.csv", "trade_date: expected a date .* in row 1"),
        ("tushare", TUSHARE.replace("20250623", "2025-06-23 10:30"), "a.csv", "trade_date: expected a date"),
        (
            "tushare",
            TUSHARE.replace("12.3,", "12:3,"),
            "a.csv",
            "high: expected a number of 0 or more, got '12:3' in row 2",
        ),
        ("tushare", TUSHARE.replace(",12.1,", ",-12.1,"), "a.csv", "open: .* of 0 or more, got '-12.1' in row 2"),
        ("tushare", TUSHARE.replace("20000.5", ""), "a.csv", "volume: .* none for 600519.SH on 2025-06-23"),
        ("tushare", TUSHARE.replace("600519.SH", "AAPL"), "a.csv", "ts_code: expected a code .*'AAPL' in row 1"),
        ("tushare", TUSHARE.splitlines()[0] + "\n", "a.csv", "at least one row"),
        ("akshare", AKSHARE.format(code="113999"), "a.csv", "symbol: expected A shares.* got 113999"),
        ("akshare", AKSHARE.format(code="000001"), "000001_qfq.csv", "path: expected raw prices .*000001_qfq"),
        ("akshare", AKSHARE.replace(",股票代码", "").replace(",{code}", ""), "hist.csv", "path: .* got hist without"),
        ("akshare", AKSHARE.replace("换手率", "收盘 ").format(code="1"), "a.csv", "收盘: expected a column once"),
        ("baostock", BAOSTOCK.replace("{flag}", "3", 1).format(flag=2), "a.csv", "several: 2, 3"),
        ("baostock", BAOSTOCK.replace(",0,,1", ",5,,1").format(flag=3), "a.csv", "tradestatus: .*'5' in row 2"),
    ],
)
def test_a_faulty_export_is_refused_with_its_field(
    tmp_path: Path, profile: str, text: str, name: str, words: str
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        imported(saved(tmp_path, name, text), profile)
    assert "\n" not in str(caught.value)


def test_lots_where_the_tool_writes_shares_are_refused(tmp_path: Path) -> None:
    """Shares under akshare's header for lots: the average price is 12.2 / 100, a hundredth of the price."""
    with pytest.raises(InputError) as caught:
        imported(saved(tmp_path, "a.csv", AKSHARE.format(code="1").replace("800000,", "80000000,")), "akshare")
    assert str(caught.value) == (
        "成交量: expected amount / volume within low..high (成交量 in lots of 100 shares, 成交额 in CNY), "
        "got an average price 0.01 times that, so that a unit is another one"
    )


def test_adjusted_prices_without_a_factor_are_refused_by_their_average(tmp_path: Path) -> None:
    """Prices 30 % down, as before a bonus of three for ten, at the volume and amount of old."""
    text = "ts_code,trade_date,open,high,low,close,vol,amount\n"
    text += "".join(f"{600000 + k}.SH,20250623,7.0,7.1,6.9,7.0,1000,1000.0\n" for k in range(30))
    with pytest.raises(InputError) as caught:
        imported(saved(tmp_path, "daily.csv", text), "tushare")
    assert str(caught.value) == (
        "close: expected raw prices, so that amount / volume is within low..high (dividends would be counted twice and "
        "price limits be wrong), got 30 of 30 rows where it is not: prices seem to be forward- or backward-adjusted"
    )


def test_rows_before_a_listing_and_half_day_suspensions_are_said(tmp_path: Path) -> None:
    header = "date,code,open,high,low,close,volume,amount,adjustflag,tradestatus"
    text = "\n".join(
        [
            header,
            "2025-06-23,sh.600000,,,,,0,0,3,0",
            "2025-06-24,sh.600000,12.1,12.3,12.0,12.2,1000,12200,3,0",
            "2025-06-25,sh.600000,,,,,,,3,0",
            ",,,,,,,,,",
        ]
    )
    bars, remarks = imported(saved(tmp_path, "k_data.csv", text), "baostock")
    assert bars.select("session", "close", "volume", "suspended").rows() == [
        (TUESDAY, 12.2, 1000.0, False),
        (WEDNESDAY, None, 0.0, True),
    ]
    for said in (
        "left out blank rows: 1",
        "rows left out, without a price before the first one of their symbol: 1",
        "rows suspended, without a trade: 1",
        "rows said to be suspended but traded, taken as traded: 1",
    ):
        assert said in remarks


def test_numbers_and_empty_cells_as_spreadsheets_write_them(tmp_path: Path) -> None:
    header = "date,code,open,high,low,close,volume,amount,adjustflag"
    line = '2025-06-23,sh.600000, 12.10 ,"1,012.3",12.0,12.2,"1,000","12,200.00",3'
    bars, _ = imported(saved(tmp_path, "k.csv", f"{header}\n{line}\n2025-06-24,sh.600000,--,nan,-,,0,,3\n"), "baostock")
    assert rows(bars, "amount") == [
        ("600000.SH", MONDAY, 12.1, 1012.3, 12.0, 12.2, 1000.0, 12_200.0),
        ("600000.SH", TUESDAY, None, None, None, None, 0.0, 0.0),
    ]


def test_a_fault_in_a_folder_names_file_and_row(tmp_path: Path) -> None:
    saved(tmp_path, "sh600000.csv", SINA)
    saved(tmp_path, "sh600001.csv", SINA.replace("12.0,", "12;0,"))
    with pytest.raises(InputError, match="low: expected a number of 0 or more, got '12;0' in row 1 of sh600001"):
        imported(tmp_path, "akshare")
    saved(tmp_path, "sh600001.csv", TUSHARE)
    with pytest.raises(InputError, match="path: expected bars under one header, got 2 headers"):
        imported(tmp_path, "akshare")
