"""Exports of other tools into a home, and the command's output."""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from countersign.cli import run
from countersign.domain.market.remarks import NO_FACTORS
from countersign.models.datasets import BARS
from countersign.models.errors import InputError
from countersign.services.market.imports import import_bars
from countersign.store.home import Home
from tests.support.market_homes import NOW, new_home
from tests.support.shared import shared

MONDAY = date(2025, 6, 23)
HEADER = "日期,股票代码,开盘,收盘,最高,最低,成交量,成交额,振幅,涨跌幅,涨跌额,换手率"
LINE = "2025-06-23,{code},12.1,12.2,12.3,12.0,800000,976000000.0,2.49,1.24,0.15,0.41"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home without a market."""
    return new_home(tmp_path / "home")


def export(folder: Path, *codes: str) -> Path:
    folder.mkdir(exist_ok=True)
    for code in codes:
        text = f"{HEADER}\n{LINE.format(code=code)}\n"
        (folder / f"{code}.csv").write_text(text, encoding="gbk")
    return folder


def test_a_folder_of_exports_is_imported_and_said(home: Home, tmp_path: Path) -> None:
    path = export(tmp_path / "daily", "000001", "600000", "113999")
    imported = import_bars(home, path, NOW, profile="akshare")
    assert (imported.rows, imported.since, imported.until, imported.changed) == (2, MONDAY, MONDAY, 1)
    assert imported.remarks[:2] == (
        "read: daily (3 x GB18030, as GBK, separated by commas)",
        "profile: akshare stock_zh_a_hist",
    )
    assert "rows left out, of what is no A share, Beijing share or exchange-traded fund: 1 (113999)" in imported.remarks
    stored = home.lake.read(BARS, MONDAY)
    assert stored.select("symbol", "close", "volume", "amount").rows() == [
        ("000001.SZ", 12.2, 8e7, 9.76e8),
        ("600000.SH", 12.2, 8e7, 9.76e8),
    ]
    assert import_bars(home, path, NOW, profile="auto").changed == 0


def test_nothing_is_guessed_without_a_profile(home: Home, tmp_path: Path) -> None:
    path = export(tmp_path / "daily", "000001") / "000001.csv"
    with pytest.raises(InputError):
        import_bars(home, path, NOW)
    path.write_text(f"{HEADER}\n{LINE.format(code='000001')}\n", encoding="utf-8")
    with pytest.raises(InputError, match="日期"):
        import_bars(home, path, NOW)
    assert home.lake.sessions(BARS) == []


def test_the_command_prints_every_remark_before_the_summary(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = export(tmp_path / "daily", "000001")
    words = ["market", "import", str(path), "--from", "akshare", "--home", str(home.path)]
    assert run(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "read: daily (GB18030, as GBK, separated by commas)"
    assert lines[-1] == "what bars  rows 1  since 2025-06-23  until 2025-06-23  changed 1"
    assert run([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["rows"], answer["changed"], answer["remarks"]) == (1, 0, lines[:-1])
    assert run([*words[:4], "sina", *words[5:]]) == 2
    assert capsys.readouterr().err == (
        "countersign: from: expected one of tushare, akshare, baostock, joinquant, qlib, wind, auto, got sina\n"
    )


def test_tushare_bars_of_a_public_repository(home: Home) -> None:
    """All 1,500 bars of 50 shares; the first line of the file by hand: 1,463,860.33 lots, 780,083.195 thousands."""
    path = shared("reference/HKUDS-AI-Trader/A_stock/daily_prices_sse_50.csv")
    imported = import_bars(home, path, NOW, profile="auto")
    assert (imported.rows, imported.since, imported.until) == (1500, date(2025, 10, 9), date(2025, 11, 19))
    assert "checked: amount / volume lies within low..high in 1,500 of 1,500 rows" in imported.remarks
    assert imported.remarks[-1] == NO_FACTORS
    first = home.lake.read(BARS, date(2025, 10, 9)).filter(pl.col("symbol") == "600028.SH")
    assert first.select("open", "high", "low", "close", "volume", "amount").rows() == [
        (5.29, 5.37, 5.27, 5.36, 146_386_033.0, 780_083_195.0)
    ]
    with pytest.raises(InputError, match="from: expected"):
        import_bars(home, path.with_name("A_stock_hourly.csv"), NOW, profile="auto")


@pytest.mark.parametrize("vendor", ["qlib", "joinquant"])
def test_real_bars_come_back_out_of_adjusted_ones(home: Home, tmp_path: Path, vendor: str) -> None:
    """Every price of 326 shares, multiplied with its factor, is the price to the cent again."""
    real = pl.read_parquet(shared("market/bars_hs300_2024.parquet"))
    real = real.filter(~pl.col("suspended")).sort("session", "symbol")
    prices = ["open", "high", "low", "close"]
    adjusted = real.with_columns(pl.col(prices) * pl.col("adj_factor"), pl.col("volume") / pl.col("adj_factor"))
    path = tmp_path / "adjusted.parquet"
    if vendor == "qlib":
        names = {name: f"${name}" for name in (*prices, "volume")} | {"adj_factor": "$factor", "session": "datetime"}
        adjusted = adjusted.cast({pl.Float64: pl.Float32})
    else:
        names = {"adj_factor": "factor", "session": "time", "symbol": "code", "amount": "money"}
    adjusted.drop("suspended").rename(names).write_parquet(path)
    import_bars(home, path, NOW, profile=vendor)
    stored = home.lake.scan(BARS).sort("session", "symbol").collect()
    assert stored.select("symbol", *prices).equals(real.select("symbol", *prices))
    assert (stored["volume"] / real["volume"] - 1).abs().max() < 1e-6
