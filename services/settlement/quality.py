"""The quality gate at work: checks a session's bars in the lake, notifies the operator, and makes the report.

Settlement decides again for itself, with the same rules, when its turn comes; this is the early look and its record.
Nothing waits for the report, which takes seconds to make.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import polars as pl

from countersign.domain.market.quality import inspect, judge, verdict, with_limits
from countersign.domain.market.quality_rules import RECENT_SESSIONS, RULES, Context
from countersign.domain.provenance import frame_sha256
from countersign.models.datasets import BARS, INDEX_LEVELS
from countersign.models.enums import Severity, Universe
from countersign.models.quality import Finding
from countersign.models.tables.market import QualityReport
from countersign.services.notifications.notifications import notify, resolve
from countersign.services.settlement.expectations import validate
from countersign.services.settlement.inputs import read_actions, read_marks
from countersign.services.settlement.listings import ListingEvidence, read_evidence
from countersign.services.settlement.quality_reports import VALIDATION, facts_of, report_path
from countersign.services.settlement.settled import settled_before
from countersign.services.strategies.lifecycle import live_universes
from countersign.store.files import write_atomically
from countersign.store.home import Home
from countersign.store.market import put_report


def check_quality(home: Home, session: date, now: datetime) -> QualityReport:
    """Check a session's bars and record the verdict. Safe to repeat."""
    bars, _, findings, _ = inspect_bars(home, session)
    report = QualityReport(
        session=session,
        bars_sha256=frame_sha256(bars),
        verdict=verdict(findings),
        findings=orjson.dumps([asdict(finding) for finding in findings]).decode(),
        report=report_path(session),
        checked_at=now,
    )
    _record(home, report, findings, now)
    return report


def make_report(home: Home, session: date, now: datetime) -> Path:
    """Make the page and the JSON on a session's bars as they are now, unless both are there; return the page.

    StoreError if they cannot be written.
    """
    bars, context, findings, _ = inspect_bars(home, session)
    digest = frame_sha256(bars)
    facts = {
        "session": session,
        "bars_sha256": digest,
        "rows": bars.height,
        "verdict": verdict(findings),
        "findings": findings,
        "rules": [rule.name for rule in RULES],
    }
    page = home.path / report_path(session)
    record = page.with_suffix(".json")
    if page.exists() and facts_of(record) == orjson.loads(orjson.dumps(facts)):
        return page
    known = with_limits(session, bars, context)
    shown = {"rows": str(bars.height), "bars_sha256": digest}
    result, text = validate(session, known, judge(known, context), shown, now)
    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    # The record comes last: with it the report is made.
    write_atomically(page, text.encode())
    write_atomically(record, orjson.dumps({**facts, VALIDATION: result}, option=options))
    return page


class BarInspection(NamedTuple):
    """Look of the gate: the bars, its findings, and the listings and delistings that settlement takes."""

    bars: pl.DataFrame
    context: Context
    findings: list[Finding]
    evidence: ListingEvidence


def inspect_bars(home: Home, session: date) -> BarInspection:
    """Let the gate look at a session's bars as they are in the lake now."""
    bars, day_before = home.lake.read(BARS, session), home.sessions.previous(session)
    with home.ledger.read() as db:
        previous = settled_before(db, home.sessions, session)
        needed = live_universes(db, session)
        actions = read_actions(db, session)
    evidence = read_evidence(home.lake, home.sessions, session, previous, bars)
    context = Context(
        recent_rows=recent_rows(home, session),
        present=[Universe(level) for level in home.lake.read(INDEX_LEVELS, session)["index"]],
        needed=needed,
        before=_seen(home, day_before) if day_before else bars.clear(),
        marks=read_marks(home.lake, previous, session),
        actions=actions,
        listings=evidence.listings,
        held=evidence.held,
        delisted=evidence.delistings["symbol"].to_list(),
        valueless=evidence.delistings.filter(pl.col("cash").is_null(), pl.col("successor").is_null())[
            "symbol"
        ].to_list(),
        presumed=evidence.presumed,
    )
    return BarInspection(bars, context, inspect(session, bars, context), evidence)


def _seen(home: Home, session: date) -> pl.DataFrame:
    """Read the bars of the session before, in the columns that the gate compares."""
    columns = ("symbol", "close", "volume", "suspended")
    return home.lake.scan(BARS, session, session).select(columns).collect()


def recent_rows(home: Home, session: date) -> list[int]:
    """Count the bars of the sessions before `session`, as many as the gate looks back, oldest first."""
    days = home.sessions.between(home.sessions.days[0], session)
    since = days[-RECENT_SESSIONS - 1 :][0]
    rows = Counter[date]()
    for file in home.lake.files(BARS, since, session):
        rows[file.session] += file.rows
    return [rows[day] for day in sorted(rows) if day < session]


def finding_rows(report: QualityReport) -> list[dict[str, Any]]:
    """A report's findings as an operator reads them, one row at least."""
    rows = [
        {**finding, "symbols": " ".join(finding["symbols"]), "session": report.session.isoformat()}
        for finding in orjson.loads(report.findings)
    ]
    return rows or [{"session": report.session.isoformat(), "rule": "all", "severity": report.verdict, "count": 0}]


def _record(home: Home, report: QualityReport, findings: Sequence[Finding], now: datetime) -> None:
    key = f"quality {report.session}"
    reasons = [f"{finding.rule}: {finding.detail}" for finding in findings if finding.severity is Severity.HOLD]
    with home.ledger.write() as db:
        put_report(db, **report.model_dump())
        if reasons:
            notify(db, key, "quality gate", f"bars of {report.session} hold settlement: {'; '.join(reasons)}", now)
        else:
            resolve(db, key, now)
