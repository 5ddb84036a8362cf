"""The watchdog under a real Prefect server: problems that it repairs by running stages, and those that it raises."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from countersign.models.datasets import BARS, EVALUATIONS, MARKS, NAV, POSITIONS
from countersign.models.errors import SourceBusy
from countersign.models.tables.attestation import Disclosure, JournalCommit, Seal
from countersign.models.tables.lake import LakeFile
from countersign.services.attestation.sealing import seal_pending
from countersign.services.notifications.notifications import open_alerts
from countersign.services.publication.publish import lens_is_current, publish
from countersign.services.settlement.quality_reports import report_path
from countersign.services.watchdog.quality_checks import unreported
from countersign.sources.files.tables import FilesProvider
from countersign.store.home import Home
from countersign.store.ledger.leases import lease
from tests.support.journals import check_journal
from tests.support.settling import results
from tests.support.trading import put_market, trading

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

DAYS = trading().sessions


def watch(home: Home, session: date | None = None) -> list[tuple[str, str]]:
    from countersign.flows.watchdog import settlement_watchdog  # noqa: PLC0415 - imported where its server is known

    rows: list[dict[str, Any]] = settlement_watchdog(session=session, home=home.path)
    return [(row["problem"], row["state"]) for row in rows]


def matters(home: Home) -> list[str]:
    with home.ledger.read() as db:
        return [matter.key for matter in open_alerts(db)]


def withdraw(home: Home, file: LakeFile) -> None:
    with home.ledger.write() as db:
        db.merge(file).superseded_at = home.clock.now()


@pytest.fixture
def fresh(fresh: Home) -> Home:
    """The sealer has kept up."""
    seal_pending(fresh, fresh.clock.now())
    return fresh


@pytest.fixture
def settled(settled: Home) -> Home:
    """The sealer has kept up."""
    seal_pending(settled, settled.clock.now())
    return settled


def test_signals_that_nobody_sealed_are_sealed(served_home: Path, settled: Home) -> None:
    with settled.ledger.write() as db:
        for kind in (Disclosure, Seal, JournalCommit):
            db.execute(sa.delete(kind))
    assert watch(settled).count(("unsealed signals", "repaired")) == len(DAYS)
    check_journal(settled)


def test_a_schedule_that_slept_for_five_sessions_is_made_up_for(
    served_home: Path, fresh: Home, undisturbed: Home
) -> None:
    assert watch(fresh) == [("not settled", "repaired")] * 5 + [("stale lens", "repaired")]
    assert results(fresh) == results(undisturbed)
    assert fresh.lake.sessions(EVALUATIONS) == list(DAYS)
    assert lens_is_current(fresh)
    assert matters(fresh) == []
    assert watch(fresh) == []
    assert watch(fresh, date(2025, 3, 8)) == []  # not a session


def test_a_stage_that_another_run_is_at_is_left_to_it(served_home: Path, fresh: Home) -> None:
    with lease(fresh.ledger, "watchdog"):
        assert watch(fresh, DAYS[0]) == []
    assert fresh.lake.sessions(NAV) == []
    publish(fresh)
    with lease(fresh.ledger, "settle"):
        assert watch(fresh, DAYS[0]) == [("not settled", "warning")]
    with fresh.ledger.read() as db:
        assert [matter.text for matter in open_alerts(db)] == [f"{DAYS[0]} is not settled: another run is settling"]
    assert watch(fresh, DAYS[0]) == [("not settled", "repaired")]
    assert matters(fresh) == []


def drop(home: Home, session: date, rows: int | None = None) -> None:
    """Put a session, or its first `rows` bars, where the provider `files` looks."""
    market, day = trading().market, pl.col("session") == session
    for kind, frame in (("bars", market.bars.filter(day).head(rows or 10**6)), ("index_levels", market.index_levels)):
        (home.path / "drop" / kind).mkdir(parents=True, exist_ok=True)
        frame.filter(day).write_parquet(home.path / "drop" / kind / f"{session}.parquet")


def fetch_from_files(home: Home) -> None:
    with (home.path / "countersign.toml").open("a") as config:
        config.write('market_provider = "files"\n')


def test_a_held_session_is_settled_once_there_are_better_bars_to_fetch(
    served_home: Path, fresh: Home, undisturbed: Home
) -> None:
    from countersign.flows.market import market_data_ingest  # noqa: PLC0415 - imported where its server is known

    fetch_from_files(fresh)
    drop(fresh, DAYS[0], rows=2)
    assert market_data_ingest(DAYS[0], fresh.path)["verdict"] == "hold"
    assert matters(fresh) == [f"quality {DAYS[0]}"]
    drop(fresh, DAYS[0])
    found = watch(fresh, DAYS[0])
    assert {("held by the gate", "repaired"), ("not settled", "repaired")} <= set(found)
    assert matters(fresh) == []
    # The report on the better bars was made after the settlement.
    assert unreported(fresh, DAYS[0]) == []
    [settled] = fresh.lake.files(NAV, DAYS[0], DAYS[0])
    written = [path.stat().st_mtime_ns for path in (fresh.lake_path / settled.path, fresh.path / report_path(DAYS[0]))]
    assert written == sorted(written)
    ours, theirs = (home.lake.files(NAV, DAYS[0], DAYS[0]) for home in (fresh, undisturbed))
    assert [file.sha256 for file in ours] == [file.sha256 for file in theirs]


def test_a_busy_source_is_asked_once_for_the_oldest_session(
    served_home: Path, fresh: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from countersign.flows.watchdog import UnrepairedError  # noqa: PLC0415 - imported where its server is known

    asked = []

    def busy(_provider: FilesProvider, session: date) -> pl.DataFrame:
        asked.append(session)
        raise SourceBusy("not yet")

    monkeypatch.setattr(FilesProvider, "fetch_index_levels", busy)
    fetch_from_files(fresh)
    for file in fresh.lake.files(BARS, DAYS[0], DAYS[1]):
        withdraw(fresh, file)
    with pytest.raises(UnrepairedError, match=r"4 matters"):
        watch(fresh, DAYS[1])
    assert asked == [DAYS[0]]


def test_lost_results_come_back(served_home: Path, settled: Home, undisturbed: Home) -> None:
    publish(settled)
    evaluations = settled.lake.files(EVALUATIONS)
    lost = ((NAV, DAYS[1]), (POSITIONS, DAYS[1]), (MARKS, DAYS[2]), (EVALUATIONS, DAYS[3]), (NAV, DAYS[4]))
    for dataset, session in lost:
        for file in settled.lake.files(dataset, session, session):
            (settled.lake_path / file.path).unlink()
    assert watch(settled) == [("damaged file", "repaired")] * 5
    assert settled.lake.verify(evaluations) == []
    assert results(settled) == results(undisturbed)
    assert matters(settled) == []


@pytest.mark.slow
def test_a_problem_beyond_repair_fails_the_run_and_stays_open_until_it_is_gone(
    served_home: Path, fresh: Home, undisturbed: Home
) -> None:
    from countersign.flows.watchdog import UnrepairedError  # noqa: PLC0415 - imported where its server is known

    [file] = fresh.lake.files(BARS, DAYS[1], DAYS[1])
    withdraw(fresh, file)
    for _ in range(2):
        with pytest.raises(UnrepairedError, match=r"5 matters .*: 2025-03-04 has no bars; 2025-03-04 is not settled"):
            watch(fresh)
        assert fresh.lake.sessions(NAV) == [DAYS[0]]
        open_now = matters(fresh)
        assert len(open_now) == len(set(open_now))
        assert {"held 2025-03-04", "watchdog no market data 2025-03-04"} <= set(open_now)
    market = trading().market
    day = pl.col("session") == DAYS[1]
    put_market(fresh, market.bars.filter(day), market.index_levels.filter(day))
    assert ("not settled", "repaired") in watch(fresh)
    assert [key for key in matters(fresh) if "quality" not in key] == []
    assert results(fresh) == results(undisturbed)


@pytest.mark.slow
def test_bars_that_are_fetched_are_settled(served_home: Path, fresh: Home, undisturbed: Home) -> None:
    [file] = fresh.lake.files(BARS, DAYS[1], DAYS[1])
    withdraw(fresh, file)
    fetch_from_files(fresh)
    drop(fresh, DAYS[1])
    found = watch(fresh)
    assert ("no market data", "repaired") in found
    assert {state for _, state in found} == {"repaired"}
    assert results(fresh) == results(undisturbed)


@pytest.mark.slow
def test_a_publication_that_fails_does_not_keep_the_news_back(served_home: Path, fresh: Home) -> None:
    from countersign.flows.watchdog import UnrepairedError  # noqa: PLC0415 - imported where its server is known

    (fresh.path / "lens").rmdir()
    (fresh.path / "lens").touch()
    with pytest.raises(UnrepairedError, match="the published lens is behind"):
        watch(fresh)
    assert fresh.lake.sessions(NAV) == list(DAYS)
    assert matters(fresh) == ["watchdog stale lens lens"]
    (fresh.path / "lens").unlink()
    assert watch(fresh) == [("stale lens", "repaired")]
    assert matters(fresh) == []
