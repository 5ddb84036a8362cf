"""The files of a replay: what they may hold, and how they are refused."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from models.errors import InputError
from store.home import Home
from tasks.replay import SIGNALS, prepare_signals, read_strategies, submit_portfolios

SIGNAL = {"strategy": "one", "session": date(2025, 1, 2), "symbol": "600519.SH", "weight": 0.5}


def test_strategies_take_their_defaults_where_nothing_is_said(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("slug,holding_period,is_public,name\n007,5,false,\none,,,One\n")
    first, second = read_strategies(path)
    assert (first.slug, first.name, first.holding_period, first.is_public) == ("007", "007", 5, False)
    assert (second.slug, second.name, second.holding_period, second.is_public) == ("one", "One", 10, True)
    assert second.initial_capital == 1_000_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("slug,colour\none,red\n", "strategies: expected columns among .*, got colour"),
        ("name\none\n", "strategies: .*no slug"),
        ("slug,holding_period\none,0\n", "strategies: row 1, holding_period"),
        ("slug,holding_period\none,1\ntwo,often\n", "strategies: row 2, holding_period"),
        ("slug,execution_price\none,noon\n", "strategies: row 1, execution_price"),
        ("slug\nOne Two\n", "strategies: row 1, slug"),
        ("", "strategies: expected a readable"),
    ],
)
def test_faulty_strategies_are_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_strategies(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "no.parquet").write_text("nothing of the kind")
    for path in (tmp_path / "missing.parquet", tmp_path / "missing.csv", tmp_path / "no.parquet", tmp_path):
        with pytest.raises(InputError, match="signals: expected a readable Parquet or CSV file"):
            prepare_signals.fn(path, tmp_path)


def test_a_sorted_file_is_used_as_it_is_and_another_is_sorted(tmp_path: Path) -> None:
    frame = pl.DataFrame([SIGNAL, {**SIGNAL, "session": date(2025, 1, 3)}])
    frame.write_parquet(tmp_path / "sorted.parquet")
    frame.reverse().write_parquet(tmp_path / "reversed.parquet")
    frame.reverse().with_columns(strategy=pl.lit("007")).write_csv(tmp_path / "signals.csv")
    folder = tmp_path / "work"
    folder.mkdir()
    assert prepare_signals.fn(tmp_path / "sorted.parquet", folder) == tmp_path / "sorted.parquet"
    assert pl.read_parquet(prepare_signals.fn(tmp_path / "reversed.parquet", folder)).equals(frame)
    found = pl.read_parquet(prepare_signals.fn(tmp_path / "signals.csv", folder))
    assert found.equals(frame.with_columns(strategy=pl.lit("007")))
    assert found.schema == pl.Schema(SIGNALS)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pl.DataFrame([SIGNAL]).rename({"symbol": "ticker"}), "signals: .*got ticker"),
        (pl.DataFrame([SIGNAL]).drop("weight"), "signals: .*no weight"),
        (pl.DataFrame([SIGNAL]).with_columns(session=pl.lit("2 January")), r"signals: expected .*session \(Date\)"),
        (pl.DataFrame([SIGNAL, {**SIGNAL, "session": None}]), "signals: session: .*1 rows without"),
        (pl.DataFrame([SIGNAL]).with_columns(weight=pl.lit("half")), r"signals: expected .*weight \(Float64\)"),
    ],
)
def test_faulty_signals_are_named(tmp_path: Path, frame: pl.DataFrame, words: str) -> None:
    for n, path in enumerate((tmp_path / "s.csv", tmp_path / "s.parquet")):
        frame.write_csv(path) if n == 0 else frame.write_parquet(path)
        with pytest.raises(InputError, match=words):
            prepare_signals.fn(path, tmp_path)


def test_without_portfolios_nothing_is_made_and_the_clock_stays(home: Home) -> None:
    now = home.clock.now()
    assert submit_portfolios(home, home.sessions.next(now.date()), pytest.fail) == 0
    assert home.clock.now() == now
