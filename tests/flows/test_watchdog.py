"""The watchdog under a real Prefect server: what it repairs by running the stages, and what it raises."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from models.attestation import Disclosure, JournalCommit, Seal
from models.datasets import BARS, EVALUATIONS, MARKS, NAV, POSITIONS
from models.lake import LakeFile
from store.home import Home
from store.lens import lens_is_current, publish
from store.notifications import open_matters
from store.sealing import seal_pending
from tests.support.journals import check_journal
from tests.support.settling import results
from tests.support.trading import put_market, trading

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

DAYS = trading().sessions


def watch(home: Home, session: date | None = None) -> list[tuple[str, str]]:
    from flows.watchdog import settlement_watchdog  # noqa: PLC0415 - imported where its server is known

    rows: list[dict[str, Any]] = settlement_watchdog(session=session, home=home.path)
    return [(row["problem"], row["state"]) for row in rows]


def matters(home: Home) -> list[str]:
    with home.ledger.read() as db:
        return [matter.key for matter in open_matters(db)]


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
def test_what_is_beyond_repair_fails_the_run_and_is_told_until_it_is_gone(
    served_home: Path, fresh: Home, undisturbed: Home
) -> None:
    from flows.watchdog import UnrepairedError  # noqa: PLC0415 - imported where its server is known

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
    market, day = trading().market, pl.col("session") == DAYS[1]
    [file] = fresh.lake.files(BARS, DAYS[1], DAYS[1])
    withdraw(fresh, file)
    with (fresh.path / "countersign.toml").open("a") as config:
        config.write('market_provider = "files"\n')
    for kind, frame in (("bars", market.bars), ("index_levels", market.index_levels)):
        (fresh.path / "drop" / kind).mkdir(parents=True)
        frame.filter(day).write_parquet(fresh.path / "drop" / kind / f"{DAYS[1]}.parquet")
    found = watch(fresh)
    assert ("no market data", "repaired") in found
    assert {state for _, state in found} == {"repaired"}
    assert results(fresh) == results(undisturbed)


@pytest.mark.slow
def test_a_publication_that_fails_does_not_keep_the_news_back(served_home: Path, fresh: Home) -> None:
    from flows.watchdog import UnrepairedError  # noqa: PLC0415 - imported where its server is known

    (fresh.path / "lens").rmdir()
    (fresh.path / "lens").touch()
    with pytest.raises(UnrepairedError, match="the published lens is behind"):
        watch(fresh)
    assert fresh.lake.sessions(NAV) == list(DAYS)
    assert matters(fresh) == ["watchdog stale lens lens"]
    (fresh.path / "lens").unlink()
    assert watch(fresh) == [("stale lens", "repaired")]
    assert matters(fresh) == []
