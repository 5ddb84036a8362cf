"""`verify --instruments`: listings and delistings that went into a settlement, held against a published list."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.cli import run
from countersign.domain.market.rules import MOST_FREE_SESSIONS
from countersign.domain.verification.published_listings import (
    Published,
    other_delistings,
    other_listings,
    read_published,
)
from countersign.models.errors import InputError
from countersign.services.verification.text import render_report
from countersign.services.verification.verify import verify_journal
from tests.support.handmade_journal import Handmade
from tests.support.worked_example import FIRST, LATER, SECOND, bars_csv, results, settle, worked_example

HONEST = {"600000.SH": "1999-11-10,,", "600519.SH": "2001-08-27,,", "688001.SH": "2019-07-22,,"}


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    path = tmp_path / "bars.csv"
    path.write_text(bars_csv())
    return path


def instruments(folder: Path, changes: dict[str, str] | None = None) -> Path:
    """A published list; an empty row leaves a symbol out."""
    path = folder / "instruments.csv"
    lines = [f"{symbol},{row}" for symbol, row in (HONEST | (changes or {})).items() if row]
    path.write_text("\n".join(["symbol,listed,delisted,delisting_value", *lines]) + "\n")
    return path


def with_inputs(folder: Path, **more: Any) -> Handmade:
    """The worked example, whose second day has listings or delistings among its inputs."""

    def step(journal: Handmade) -> None:
        journal.reveal("alpha", SECOND, LATER)
        settle(journal, SECOND, results(SECOND), more=more)

    return worked_example(folder, instead={"settle second": step})


def doubts(journal: Handmade, bars: Path, listed: Path) -> list[tuple[str, str, str]]:
    report = verify_journal(journal.path, bars=bars, instruments=listed)
    assert report.faults == ()
    return [tuple(each) for each in report.warnings]


def test_an_honest_journal_gives_no_doubt(tmp_path: Path, bars: Path) -> None:
    assert doubts(worked_example(tmp_path), bars, instruments(tmp_path)) == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({}, f"listed {FIRST} in the journal, listed 1999-11-10"),
        ({"600000.SH": f"{FIRST},,"}, f"listed {FIRST}, in its session 1 in the journal, listed {FIRST}"),
        ({"600000.SH": ""}, f"listed {FIRST} in the journal, nothing"),
    ],
    ids=["another day", "another age", "no such instrument"],
)
def test_an_invented_listing_is_doubted(tmp_path: Path, bars: Path, rows: dict[str, str], said: str) -> None:
    """A share in its first sessions has no price limit: what should not have been filled is filled."""
    journal = with_inputs(tmp_path, listings=[["600000.SH", FIRST, "1"]])
    *_, (kind, detail, session) = doubts(journal, bars, instruments(tmp_path, rows))
    assert (kind, session) == ("other_listing", SECOND)
    assert detail == f"600000.SH: {said} in the instruments given"


def test_a_listing_kept_back_is_doubted_once(tmp_path: Path, bars: Path) -> None:
    listed = instruments(tmp_path, {"688001.SH": f"{FIRST},,"})
    [(kind, detail, session)] = doubts(worked_example(tmp_path), bars, listed)
    assert (kind, session) == ("other_listing", FIRST)
    assert detail == f"688001.SH: no new listing in the journal, listed {FIRST} in the instruments given"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("2019-07-22,,", "not delisted"),
        ("2019-07-22,2025-02-03,60", "delisted 2025-02-03 for 60 CNY"),
        (f"2019-07-22,{SECOND},60", f"delisted {SECOND} for 60 CNY"),
        (f"2019-07-22,{SECOND},0.5*600000.SH", f"delisted {SECOND} for 0.5*600000.SH"),
        ("", "nothing"),
    ],
)
def test_an_invented_delisting_or_value_is_doubted(tmp_path: Path, bars: Path, row: str, said: str) -> None:
    journal = with_inputs(tmp_path, delistings=[["688001.SH", "100.0", "", ""]])
    [(kind, detail, session)] = doubts(journal, bars, instruments(tmp_path, {"688001.SH": row}))
    assert (kind, session) == ("other_delisting", SECOND)
    assert detail == f"688001.SH: delisted for 100 CNY in the journal, {said} in the instruments given"


def test_a_delisting_kept_back_is_doubted_and_the_true_one_is_not(tmp_path: Path, bars: Path) -> None:
    listed = instruments(tmp_path, {"688001.SH": f"2019-07-22,{SECOND},100"})
    [(kind, detail, _)] = doubts(worked_example(tmp_path / "without"), bars, listed)
    assert kind == "other_delisting"
    assert "not delisted in the journal, delisted 2025-01-03 for 100 CNY" in detail
    assert doubts(with_inputs(tmp_path / "with", delistings=[["688001.SH", "100", "", ""]]), bars, listed) == []


def test_the_command(tmp_path: Path, bars: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = with_inputs(tmp_path, listings=[["600000.SH", FIRST, "2"]])
    listed = instruments(tmp_path)
    arguments = ["verify", str(journal.path), "--bars", str(bars), "--instruments", str(listed)]
    assert run([*arguments, "--json"]) == 0
    assert [each["kind"] for each in json.loads(capsys.readouterr().out)["warnings"]] == ["other_listing"]
    text = render_report(verify_journal(journal.path, bars=bars, instruments=listed))
    assert "1 warning:\n  other_listing 2025-01-03: 600000.SH: listed 2025-01-02" in text
    with pytest.raises(InputError, match="instruments: expected bars beside them"):
        verify_journal(journal.path, instruments=listed)
    listed.write_text("symbol,listed\n600000.SH,soon\n")
    with pytest.raises(InputError, match="listed"):
        verify_journal(journal.path, bars=bars, instruments=listed)


SESSIONS = [
    date(2025, 1, 2) + timedelta(days=n) for n in range(30) if (date(2025, 1, 2) + timedelta(days=n)).weekday() < 5
]
SYMBOL = "600000.SH"


@given(st.integers(0, 40), st.integers(0, len(SESSIONS) - 1), st.integers(-40, 40))
def test_exactly_the_true_listing_gives_no_doubt(offset: int, place: int, wrong: int) -> None:
    """Listings agree with the list that they came from, and with another one where no session lies between the two."""
    listed, session = SESSIONS[0] + timedelta(days=offset), SESSIONS[place]

    def written(day: date) -> list[tuple[str, date, int]]:
        age = sum(day <= each <= session for each in SESSIONS)
        return [(SYMBOL, day, age)] if 1 <= age <= MOST_FREE_SESSIONS else []

    theirs = {SYMBOL: Published(listed, None, (None, None, None))}
    assert other_listings(session, written(listed), theirs, {SYMBOL}, SESSIONS) == []
    other = written(max(listed + timedelta(days=wrong), SESSIONS[0]))
    differ = [age for _, _, age in other] != [age for _, _, age in written(listed)]
    assert bool(other_listings(session, other, theirs, {SYMBOL}, SESSIONS)) == differ


def test_a_list_without_days_and_what_nobody_holds_say_nothing() -> None:
    frame = pl.DataFrame({"symbol": [SYMBOL], "listed": [None], "delisted": [None], "delisting_cash": [None]})
    theirs = read_published(frame.with_columns(successor=None, successor_ratio=None))
    assert other_listings(SESSIONS[1], [(SYMBOL, SESSIONS[0], 2)], theirs, {SYMBOL}, SESSIONS) == []
    assert other_listings(SESSIONS[1], [(SYMBOL, SESSIONS[0], 2)], {}, set(), SESSIONS) == []
    assert other_delistings(SESSIONS[1], [(SYMBOL, 1.0, None, None)], {}, set()) == []
