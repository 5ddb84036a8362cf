"""The quality gate in a home: verdict, report, notification."""

import html
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlmodel import select

from countersign.domain.market.quality_rules import RULES
from countersign.models.datasets import BARS
from countersign.models.enums import Severity
from countersign.models.quality import Finding
from countersign.models.tables.market import QualityReport
from countersign.models.tables.operations import Notification
from countersign.services.market.imports import simulate_market
from countersign.services.settlement.expectations import stand_alone, validate
from countersign.services.settlement.quality import check_quality, finding_rows, make_report, recent_rows
from countersign.services.watchdog.quality_checks import missing_reports
from countersign.store.home import Home
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


def report_of(home: Home, session: date) -> tuple[dict[str, Any], str]:
    page = make_report(home, session, NOW)
    return json.loads(page.with_suffix(".json").read_text()), page.read_text()


def not_met(record: dict[str, Any]) -> set[str]:
    """The rules whose expectation Great Expectations found not met."""
    results = record["great_expectations"]["results"]
    return {each["expectation_config"]["kwargs"]["column"] for each in results if not each["success"]}


def open_notices(home: Home) -> list[str]:
    with home.ledger.read() as db:
        return [notice.key for notice in db.exec(select(Notification)) if notice.resolved_at is None]


def test_a_clean_session_passes_and_its_report_is_made_once(home: Home) -> None:
    checked = check_quality(home, LAST, NOW)
    assert (checked.verdict, checked.report) == ("pass", "quality/2025-06-26/report.html")
    with home.ledger.read() as db:
        (row,) = db.exec(select(QualityReport))
        assert (row.session, row.verdict, row.bars_sha256) == (LAST, "pass", checked.bars_sha256)
    assert open_notices(home) == []
    assert finding_rows(checked)[0]["severity"] == "pass"
    assert [problem.session for problem in missing_reports(home, LAST)] == [LAST]
    record, page = report_of(home, LAST)
    assert (record["verdict"], record["findings"], record["bars_sha256"]) == ("pass", [], checked.bars_sha256)
    assert record["great_expectations"]["success"]
    assert record["rules"] == [rule.name for rule in RULES]
    assert_stands_alone(page)
    for rule in RULES:
        assert html.escape(rule.detail, quote=False) in page
    assert missing_reports(home, LAST) == []
    assert report_of(home, LAST)[1] == page  # each page made has identifiers of its own


def assert_stands_alone(page: str) -> None:
    """The page is Data Docs, loads nothing, and leads nowhere."""
    assert "Expectation Validation Result" in page
    assert re.findall(r"(?i)<(?:script|img|link|iframe|object|embed)\b|url\(|@import|\ssrc=|https?:", page) == []
    assert {target[0] for target in re.findall(r'href="([^"]*)"', page)} == {"#"}
    assert "default-src 'none'" in page.partition("<title>")[0]


def test_a_fault_holds_and_is_in_the_report_until_it_is_corrected(home: Home) -> None:
    good = home.lake.read(BARS, LAST)
    symbol = good.filter(~pl.col("suspended"))["symbol"][0]
    zero = pl.when(pl.col("symbol") == symbol).then(0.0).otherwise("close")
    replace_bars(home, LAST, good.with_columns(close=zero))
    checked = check_quality(home, LAST, NOW)
    assert checked.verdict == "hold"
    assert open_notices(home) == [f"quality {LAST}"]
    assert finding_rows(checked)[0]["symbols"] == symbol
    record, page = report_of(home, LAST)
    assert record["verdict"] == "hold"
    assert not record["great_expectations"]["success"]
    assert "Bars of 2025-06-26: hold" in page
    assert f"Never: a price ≤ 0 or null on a tradable bar. Gate: hold, count 1: {symbol}." in page
    replace_bars(home, LAST, good)
    assert check_quality(home, LAST, NOW).verdict == "pass"
    assert open_notices(home) == []
    assert [problem.session for problem in missing_reports(home, LAST)] == [LAST]  # the page is on other bars
    assert report_of(home, LAST)[0]["verdict"] == "pass"


def test_a_session_without_bars_holds(home: Home) -> None:
    assert check_quality(home, NEXT, NOW).verdict == "hold"
    record, page = report_of(home, NEXT)
    assert (record["rows"], not_met(record)) == (0, {"no bars"})
    assert "no bar" in page


def test_the_library_finds_not_met_what_the_gate_finds_broken(home: Home) -> None:
    good = home.lake.read(BARS, LAST)
    first = pl.col("symbol") == good.filter(~pl.col("suspended") & (pl.col("close") > 5))["symbol"][0]
    faults: list[dict[str, float | None]] = [
        {"high": 0.01, "amount": 0.0, "adj_factor": 0.5},
        {"open": None},
        {"high": 9e5},
    ]
    frames = [
        good.with_columns(pl.when(first).then(value).otherwise(name).alias(name) for name, value in change.items())
        for change in faults
    ]
    seen = set()
    for frame in (*frames, good.head(9), pl.concat([good, good.head(2)])):
        replace_bars(home, LAST, frame)
        record, _ = report_of(home, LAST)
        broken = {finding["rule"] for finding in record["findings"]}
        assert not_met(record) == broken != set()
        seen |= broken
    assert {"price disorder", "bad price", "beyond limit", "zero amount", "falling factor", "too few rows"} <= seen
    assert "duplicate symbols" in seen


def test_markup_in_a_finding_is_text_on_the_page() -> None:
    finding = Finding("no bars", Severity.HOLD, 1, "a < b & c", ("<b onclick=x>",))
    page = validate(LAST, pl.DataFrame(), [(RULES[0], finding)], {"rows": "<u>0</u>"}, NOW).page
    assert "Gate: hold, count 1: a &lt; b &amp; c: &lt;b onclick=x&gt;." in page
    assert "<b onclick" not in page
    assert "<u>" not in page
    assert_stands_alone(page)


@pytest.mark.parametrize(
    "load",
    [
        '<script src="https://cdn.example/a.js"></script>',
        "<script>\nload('https://cdn.example/a')\n</script>",
        '<link\n  rel="stylesheet" href="//cdn.example/a.css"/>',
        '<img class="x" src="pictures/a.png">',
        '<style>a { background: url("https://cdn.example/a.png") }</style>',
    ],
)
def test_page_that_loads_something_loads_nothing_afterwards(load: str) -> None:
    link = '<a class="x" href="../index.html">there</a>'
    page = f"<html><head><title>Other</title>{load}</head><body>{link}</body></html>"
    alone = stand_alone(page, "Bars")
    assert re.findall(r"example|src=|href|url", alone) == []
    assert "<title>Bars</title>" in alone
    assert '<a class="x">there</a>' in alone


def test_only_the_last_twenty_sessions_count(home: Home) -> None:
    assert len(recent_rows(home, NEXT)) == 20
    assert recent_rows(home, home.lake.sessions(BARS)[0]) == []
