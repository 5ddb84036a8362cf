"""What the product sealed and settled itself, verified: both sides of the format, met in one journal."""

from pathlib import Path

from domain.journal import FaultKind
from store.home import Home
from store.sealing import seal_pending
from tasks.verification import verify_journal
from tests.support.journals import git
from tests.support.trading import trading


def test_a_traded_home_settles_again_to_the_fen(settled: Home, tmp_path: Path) -> None:
    seal_pending(settled, settled.clock.now())
    plan, clone, bars = trading(), tmp_path / "clone", tmp_path / "bars.parquet"
    git(tmp_path, "clone", "-q", f"file://{settled.path / 'journal'}", str(clone))
    plan.market.bars.write_parquet(bars)
    report = verify_journal(clone, bars=bars)
    # Everything was sealed in one go after the last session, so that is what there is to say of it, and nothing else.
    assert {fault.kind for fault in report.faults} == {FaultKind.LATE}
    assert len(report.faults) == report.classes["late"] == len(report.signals)
    assert (report.settled, report.replayed) == (len(plan.sessions), len(plan.sessions))
    assert all(signal.revealed and signal.simulated for signal in report.signals)
    silent = {slug: len(days) for slug, days in report.gaps.items()}
    assert silent["s00"] == 0
    assert "s08" not in silent
