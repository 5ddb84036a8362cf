"""The calendar as it is loaded: against the exchange's own notices, and with a home's overrides."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from countersign.models.errors import HorizonError, InputError
from countersign.store.sessions import KEPT, OVERRIDES, OVERRIDES_TEMPLATE, load_sessions

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/exchange_holidays.json").read_text())
HORIZON = date(2026, 12, 31)


@pytest.mark.parametrize("year", [2025, 2026])
def test_the_sessions_of_a_year_are_the_weekdays_the_exchange_did_not_close(tmp_path: Path, year: int) -> None:
    closed = {date.fromisoformat(day) for days in GOLDEN[str(year)].values() for day in days}
    days = (date(year, 1, 1) + timedelta(n) for n in range(365))
    expected = [day for day in days if day.weekday() < 5 and day not in closed]
    assert load_sessions(tmp_path).between(date(year, 1, 1), date(year, 12, 31)) == expected


def test_the_exchanges_calendar_is_kept_for_its_version(tmp_path: Path) -> None:
    (tmp_path / OVERRIDES).write_text(OVERRIDES_TEMPLATE)
    kept, asked = tmp_path / KEPT, load_sessions(tmp_path)
    days = json.loads(kept.read_text())
    assert load_sessions(tmp_path) == asked
    kept.write_text(json.dumps([days[0], "2026-12-31", ["2026-01-05", "2026-01-06"]]))
    assert load_sessions(tmp_path).days == (date(2026, 1, 5), date(2026, 1, 6))
    for stale in (["0.1", *days[1:]], days[:2], "{"):
        kept.write_text(stale if isinstance(stale, str) else json.dumps(stale))
        assert load_sessions(tmp_path) == asked
        assert json.loads(kept.read_text()) == days


def test_where_there_is_no_home_nothing_is_kept(tmp_path: Path) -> None:
    for folder in (tmp_path / "home", tmp_path):
        assert load_sessions(folder).known_until == HORIZON
    assert list(tmp_path.iterdir()) == []


def test_past_the_horizon_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    sessions = load_sessions(tmp_path)
    assert sessions.known_until == HORIZON
    for ask in (
        lambda: date(2027, 1, 4) in sessions,
        lambda: sessions.between(HORIZON, date(2027, 1, 4)),
        lambda: sessions.next(HORIZON),
        lambda: sessions.previous(date(2027, 1, 4)),
    ):
        with pytest.raises(HorizonError, match=r"2026-12-31: update exchange-calendars, or extend"):
            ask()


def test_overrides_extend_and_correct(tmp_path: Path) -> None:
    (tmp_path / OVERRIDES).write_text(
        "known_until = 2027-12-31\nextra_holidays = [2027-01-01, 2026-03-03]\nextra_sessions = [2026-03-07]\n"
    )
    sessions = load_sessions(tmp_path)
    assert date(2027, 1, 4) in sessions
    assert date(2027, 1, 1) not in sessions
    assert date(2026, 3, 3) not in sessions
    assert date(2026, 3, 7) in sessions
    assert sessions.next(date(2026, 12, 31)) == date(2027, 1, 4)
    with pytest.raises(HorizonError, match="2027-12-31"):
        sessions.next(date(2027, 12, 31))


def test_the_template_overrides_nothing(tmp_path: Path) -> None:
    plain = load_sessions(tmp_path)
    (tmp_path / OVERRIDES).write_text(OVERRIDES_TEMPLATE)
    assert load_sessions(tmp_path) == plain


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("known_until = 2026-06-30", "known_until"),
        ("known_until = 2027-12-31T12:00:00", "known_until"),
        ('known_until = "2027-12-31"', "known_until"),
        ("extra_holidays = [2027-01-01, 5]", "extra_holidays.1"),
        ("extra_holidays = 2027-01-01", "extra_holidays"),
        ("holidays = [2027-01-01]", "holidays"),
        # Past the horizon a session would be a guess about all days before it.
        ("extra_sessions = [2027-01-04]", "extra_sessions"),
        ("extra_sessions = [2026-03-07]\nextra_holidays = [2026-03-07]", "extra_sessions"),
        ("extra_holidays = [", OVERRIDES),
        ("# \udcff", OVERRIDES),
    ],
)
def test_a_faulty_override_is_named(tmp_path: Path, text: str, field: str) -> None:
    (tmp_path / OVERRIDES).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError) as caught:
        load_sessions(tmp_path)
    assert caught.value.field.removeprefix(f"{OVERRIDES}: ") == field
