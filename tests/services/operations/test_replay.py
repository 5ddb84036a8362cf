"""The files of a replay: their fields, and how faulty ones are refused."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from countersign.models.errors import InputError
from countersign.services.operations.replay import (
    SIGNALS,
    PreparedSignals,
    prepare_signals,
    read_strategies,
    submit_portfolios,
)
from countersign.store.home import Home

SHANGHAI = ZoneInfo("Asia/Shanghai")
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
        ("slug,colour\none,red\n", r"^colour: expected only the columns slug, .*, got an unknown column in s\.csv$"),
        ("name\none\n", r"^slug: expected a column of strategies, got only name in s\.csv$"),
        ("slug,holding_period\none,0\n", r"s\.csv, line 2, column holding_period"),
        ("slug,holding_period\none,1\ntwo,often\n", r"s\.csv, line 3, column holding_period"),
        ("slug,execution_price\none,noon\n", r"s\.csv, line 2, column execution_price"),
        ("slug\nOne Two\n", r"s\.csv, line 2, column slug"),
        ("", r"s\.csv, line 1: .*an empty file"),
    ],
)
def test_faulty_strategies_are_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_strategies(path)


def test_a_path_without_a_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.parquet").write_text("nothing of the kind")
    for path in (tmp_path / "missing.parquet", tmp_path / "missing.csv", tmp_path / "no.parquet", tmp_path):
        with pytest.raises(InputError, match="path: expected a Parquet"):
            prepare_signals(path, tmp_path)


def test_a_sorted_file_is_used_as_it_is_and_another_is_sorted(tmp_path: Path) -> None:
    frame = pl.DataFrame([SIGNAL, {**SIGNAL, "session": date(2025, 1, 3)}])
    frame.write_parquet(tmp_path / "sorted.parquet")
    frame.reverse().write_parquet(tmp_path / "reversed.parquet")
    frame.reverse().with_columns(strategy=pl.lit("007")).write_csv(tmp_path / "signals.csv")
    folder = tmp_path / "work"
    folder.mkdir()
    rows = {date(2025, 1, 2): 1, date(2025, 1, 3): 1}
    same = PreparedSignals(tmp_path / "sorted.parquet", rows)
    assert prepare_signals(tmp_path / "sorted.parquet", folder) == same
    assert sorted(folder.iterdir()) == []
    turned = prepare_signals(tmp_path / "reversed.parquet", folder)
    assert pl.read_parquet(turned.path).equals(frame)
    assert turned.rows == rows
    found = pl.read_parquet(prepare_signals(tmp_path / "signals.csv", folder).path)
    assert found.equals(frame.with_columns(strategy=pl.lit("007")))
    assert found.schema == pl.Schema(SIGNALS)


@pytest.mark.parametrize(
    "days",
    [
        pl.Series([20250103, 20250102]),
        pl.Series([20250103.0, 20250102.0]),
        pl.Series(["20250103", "2025-01-02T00:00:00+08:00"]),
        pl.Series([datetime(2025, 1, 3), datetime(2025, 1, 2)]),  # noqa: DTZ001 - as files have them
        pl.Series([datetime(2025, 1, 3, tzinfo=SHANGHAI), datetime(2025, 1, 2, tzinfo=SHANGHAI)]),
    ],
)
@pytest.mark.parametrize("name", ["session", "date"])
def test_days_are_read_as_in_every_other_file(tmp_path: Path, days: pl.Series, name: str) -> None:
    frame = pl.DataFrame([SIGNAL] * 2).drop("session").with_columns(days.alias(name))
    frame.write_parquet(tmp_path / "s.parquet")
    found = pl.read_parquet(prepare_signals(tmp_path / "s.parquet", tmp_path).path)
    assert found["session"].to_list() == [date(2025, 1, 2), date(2025, 1, 3)]
    assert found.schema == pl.Schema(SIGNALS)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            {"ticker": ["600519.SH"] * 2},
            "ticker: expected only the columns strategy, session, symbol, weight, got an unknown",
        ),
        ({"weight": None}, "weight: expected a column of signals"),
        ({"session": ["2025-01-02", "2 January"]}, "column session: expected a date, .* got '2 January'"),
        (
            {"session": [datetime(2025, 1, 1, 16, tzinfo=UTC)] * 2},
            "column session: expected a date, YYYY-MM-DD without",
        ),
        ({"session": [date(2025, 1, 2), None]}, "column session: expected a date, .* got null"),
        ({"session": [20250102, 20090]}, "column session: expected a date, .* got '?20090'?"),
        ({"symbol": ["600519.SH", "600519"]}, "column symbol: expected six digits and a venue, .* got '600519'"),
        ({"weight": [0.5, 0.0]}, "column weight: expected a number in .0, 1., got '?0.0'?"),
        ({"weight": [0.5, 1.1]}, "column weight: expected a number in .0, 1., got '?1.1'?"),
        ({"weight": ["0.5", "half"]}, "column weight: expected a number in .0, 1., got 'half'"),
        ({"weight": [0.5, None]}, "column weight: expected a number in .0, 1., got null"),
        ({"strategy": ["one", "One Two"]}, "column strategy: expected the slug of a strategy, got 'One Two'"),
    ],
)
def test_faulty_signals_are_named_by_row(tmp_path: Path, columns: dict[str, Any], words: str) -> None:
    frame = pl.DataFrame([SIGNAL] * 2)
    for name, values in columns.items():
        frame = frame.drop(name) if values is None else frame.with_columns(pl.Series(name, values, strict=False))
    frame.write_csv(tmp_path / "s.csv")
    frame.write_parquet(tmp_path / "s.parquet")
    for path, place in ((tmp_path / "s.csv", "line [23]"), (tmp_path / "s.parquet", "row [12]")):
        whole = f"{path.name}, {place}, {words}" if words.startswith("column") else f"{words}.* in {path.name}"
        with pytest.raises(InputError, match=rf"^{whole}"):
            prepare_signals(path, tmp_path)


def test_a_faulty_row_of_a_large_file_is_named_and_its_days_are_counted(tmp_path: Path) -> None:
    first = pl.DataFrame([SIGNAL]).select(pl.all().repeat_by(300_000).explode())
    frame = pl.concat([first, first.head(5).with_columns(session=pl.lit(date(2025, 1, 6)))])
    frame.write_parquet(tmp_path / "s.parquet")
    prepared = prepare_signals(tmp_path / "s.parquet", tmp_path)
    assert prepared == PreparedSignals(tmp_path / "s.parquet", {date(2025, 1, 2): 300_000, date(2025, 1, 6): 5})
    faulty = pl.concat([frame, pl.DataFrame([{**SIGNAL, "symbol": "600519"}])])
    faulty.write_parquet(tmp_path / "f.parquet")
    with pytest.raises(InputError, match=r"^f\.parquet, row 300006, column symbol: .* got '600519'$"):
        prepare_signals(tmp_path / "f.parquet", tmp_path)


def test_signals_without_a_row_are_refused(tmp_path: Path) -> None:
    pl.DataFrame(schema=SIGNALS).write_parquet(tmp_path / "s.parquet")
    with pytest.raises(InputError, match=r"^signals: expected at least one row, got none in s\.parquet$"):
        prepare_signals(tmp_path / "s.parquet", tmp_path)


def test_without_portfolios_nothing_is_made_and_the_clock_stays(home: Home) -> None:
    now = home.clock.now()
    assert submit_portfolios(home, home.sessions.next(now.date()), pytest.fail) == 0
    assert home.clock.now() == now
