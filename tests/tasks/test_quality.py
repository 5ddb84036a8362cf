"""The quality gate in a home: verdict, report, notification."""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from sqlmodel import select

from models.datasets import BARS
from models.market import QualityReport
from models.operations import Notification
from store.home import Home
from tasks.market import simulate_market
from tasks.quality import check_quality, finding_rows, recent_rows
from tests.support.market_homes import NOW, new_home

# Great Expectations, pandas and numpy disagree about deprecations; that is between them.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

LAST, NEXT = date(2025, 6, 26), date(2025, 6, 27)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a sample market of 20 symbols and 25 sessions."""
    home = new_home(tmp_path / "home")
    simulate_market(home, NOW, symbols=20, sessions=25, seed=2, end=LAST)
    return home


def replace_bars(home: Home, session: date, frame: pl.DataFrame) -> None:
    file = home.lake.stage(BARS, session, frame)
    with home.ledger.write() as db:
        home.lake.commit(db, [file], NOW)


def report_of(home: Home, report: QualityReport) -> tuple[dict[str, object], str]:
    page = home.path / report.report
    return json.loads(page.with_suffix(".json").read_text()), page.read_text()


def open_notices(home: Home) -> list[str]:
    with home.ledger.read() as db:
        return [notice.key for notice in db.exec(select(Notification)) if notice.resolved_at is None]


def test_a_clean_session_passes_and_the_report_is_kept(home: Home) -> None:
    report = check_quality.fn(home, LAST, NOW)
    record, page = report_of(home, report)
    assert (report.verdict, record["verdict"], record["findings"]) == ("pass", "pass", [])
    assert report.report == "quality/2025-06-26/report.html"
    assert record["great_expectations"]["success"]  # type: ignore[index]
    assert "column duplicate symbols, value_set [True]" in page
    assert "http" not in page.replace("http-equiv", "")  # needs nothing from elsewhere
    with home.ledger.read() as db:
        (row,) = db.exec(select(QualityReport))
        assert (row.session, row.verdict, row.bars_sha256) == (LAST, "pass", report.bars_sha256)
    assert open_notices(home) == []
    assert finding_rows(report)[0]["severity"] == "pass"


def test_a_fault_holds_until_it_is_corrected(home: Home) -> None:
    good = home.lake.read(BARS, LAST)
    symbol = good.filter(~pl.col("suspended"))["symbol"][0]
    zero = pl.when(pl.col("symbol") == symbol).then(0.0).otherwise("close")
    replace_bars(home, LAST, good.with_columns(close=zero))
    report = check_quality.fn(home, LAST, NOW)
    record, page = report_of(home, report)
    assert report.verdict == "hold"
    assert not record["great_expectations"]["success"]  # type: ignore[index]
    assert symbol in page
    assert open_notices(home) == [f"quality {LAST}"]
    assert finding_rows(report)[0]["symbols"] == symbol
    replace_bars(home, LAST, good)
    assert check_quality.fn(home, LAST, NOW).verdict == "pass"
    assert open_notices(home) == []


def test_a_session_without_bars_holds(home: Home) -> None:
    report = check_quality.fn(home, NEXT, NOW)
    record, page = report_of(home, report)
    assert report.verdict == "hold"
    assert "no bar" in page
    assert record["rows"] == 0


def test_the_library_sees_what_the_gate_sees(home: Home) -> None:
    """Each fault is found by both: the gate's own code and Great Expectations are each other's check."""
    good = home.lake.read(BARS, LAST)
    first = pl.col("symbol") == good.filter(~pl.col("suspended") & (pl.col("close") > 5))["symbol"][0]
    faults = {
        "price disorder": {"high": 0.01},
        "bad price": {"open": None},
        "beyond limit": {"high": 9e5},
        "zero amount": {"amount": 0.0},
        "falling factor": {"adj_factor": 0.5},
    }
    for rule, change in faults.items():
        changed = [pl.when(first).then(value).otherwise(name).alias(name) for name, value in change.items()]
        replace_bars(home, LAST, good.with_columns(changed))
        record, _ = report_of(home, check_quality.fn(home, LAST, NOW))
        assert rule in {finding["rule"] for finding in record["findings"]}  # type: ignore[attr-defined]
        assert not record["great_expectations"]["success"], rule  # type: ignore[index]
    replace_bars(home, LAST, good.head(9))
    record, _ = report_of(home, check_quality.fn(home, LAST, NOW))
    assert [finding["rule"] for finding in record["findings"]] == ["too few rows"]  # type: ignore[attr-defined]
    assert not record["great_expectations"]["success"]  # type: ignore[index]


def test_only_the_last_twenty_sessions_count(home: Home) -> None:
    assert len(recent_rows(home, NEXT)) == 20
    assert recent_rows(home, home.lake.sessions(BARS)[0]) == []
