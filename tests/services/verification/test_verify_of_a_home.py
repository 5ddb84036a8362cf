"""Journals that the product sealed and settled itself, verified: both sides of the format, met in one journal."""

from pathlib import Path

import pytest
from sqlmodel import select

from countersign.domain.attestation.journal import FaultKind
from countersign.domain.verification.report import Report
from countersign.models.datasets import BARS
from countersign.models.tables.settlement import Settlement
from countersign.services.attestation.sealing import seal_pending, sealing
from countersign.services.verification.text import render_report
from countersign.services.verification.verify import verify_journal
from countersign.store.home import Home
from tests.support.correcting import change_bars, correct_session
from tests.support.journals import git
from tests.support.trading import trading


def test_a_traded_home_settles_again_to_the_fen(settled: Home, tmp_path: Path) -> None:
    seal_pending(settled, settled.clock.now())
    plan, clone, bars = trading(), tmp_path / "clone", tmp_path / "bars.parquet"
    git(tmp_path, "clone", "-q", f"file://{settled.path / 'journal'}", str(clone))
    plan.market.bars.write_parquet(bars)
    report = verify_journal(clone, bars=bars)
    # Everything was sealed in one go after the last session, so each signal is late, and nothing else is wrong.
    assert {fault.kind for fault in report.faults} == {FaultKind.LATE}
    assert len(report.faults) == report.classes["late"] == len(report.signals)
    assert (report.settled, report.replayed) == (len(plan.sessions), len(plan.sessions))
    assert all(signal.revealed and signal.simulated for signal in report.signals)
    silent = {slug: len(days) for slug, days in report.gaps.items()}
    assert silent["s00"] == 0
    assert "s08" not in silent


def faults(report: Report) -> list[tuple[FaultKind, str, str]]:
    """Return the faults but for late seals: everything was sealed in one go, after the last session."""
    return [
        (fault.kind, fault.session, fault.detail.split(":")[0])
        for fault in report.faults
        if fault.kind is not FaultKind.LATE
    ]


@pytest.mark.parametrize("traded", ["sqlite"], indirect=True)
def test_a_corrected_home_settles_again_from_the_corrected_bars(settled: Home, tmp_path: Path) -> None:
    seal_pending(settled, settled.clock.now())
    days, journal = trading().sessions, settled.path / "journal"
    old, new = tmp_path / "old.parquet", tmp_path / "new.parquet"
    trading().market.bars.write_parquet(old)
    change_bars(settled, days[1])
    settled.lake.scan(BARS).sort("session", "symbol").collect().write_parquet(new)
    correct_session(settled, days[1])
    assert seal_pending(settled, settled.clock.now()).disclosed == 4
    for bars in (None, new):
        report = verify_journal(journal, bars=bars)
        assert faults(report) == []
        assert report.corrected == days[1:]
    assert f"corrected   4 sessions: {', '.join(map(str, days[1:]))}" in render_report(report)
    assert report.replayed == len(days)
    assert (FaultKind.BARS_MISMATCH, str(days[1])) in {each[:2] for each in faults(verify_journal(journal, bars=old))}
    # Nothing that was there is written again, the reveals least of all.
    changes = git(journal, "log", "--name-status", "--format=").split("\n")
    assert {line[0] for line in changes if line} == {"A"}
    brought = [line.split("\t")[1] for line in changes if line]
    assert len(brought) == len(set(brought))
    assert git(journal, "log", "-4", "--name-only", "--format=").split() == [
        f"settlements/{day.year}/{day}.2.json" for day in reversed(days[1:])
    ]


@pytest.mark.parametrize("traded", ["sqlite"], indirect=True)
def test_a_journal_with_half_a_correction_does_not_hold(settled: Home) -> None:
    seal_pending(settled, settled.clock.now())
    days = trading().sessions
    change_bars(settled, days[2])
    correct_session(settled, days[2], stop_after=1)
    with settled.ledger.read() as db:
        [half] = db.exec(select(Settlement.id).where(Settlement.version == 2))
    with sealing(settled) as sealer:
        sealer._disclose(half, settled.clock.now())  # which the sealer does not do before the rest is there
    found = faults(verify_journal(settled.path / "journal"))
    detail = f"rests on a version of {days[2]} that was corrected since"
    assert found == [(FaultKind.CHAIN_BROKEN, str(days[3]), detail)]
