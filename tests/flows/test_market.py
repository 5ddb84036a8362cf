"""The market flow against a real Prefect server: bars that it fetches, its verdict, its page."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from prefect import flow
from sqlmodel import select

from countersign.domain.market.simulation import SampleMarket, simulate
from countersign.models.datasets import BARS, INDEX_LEVELS
from countersign.models.errors import SourceBusy, SourceError, SourceRefused
from countersign.models.tables.market import QualityReport
from countersign.services.market.instruments import read_instruments
from countersign.services.watchdog.quality_checks import unreported
from countersign.store.home import Home
from tests.support.artifacts import artifact
from tests.support.market_homes import new_home

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

SESSIONS = [date(2025, 6, day) for day in (23, 24, 25)]
CLOCK = datetime(2025, 6, 25, 10, tzinfo=UTC)


@pytest.fixture
def sample() -> SampleMarket:
    """A market of 20 symbols, as a provider would give it."""
    return simulate(20, SESSIONS, seed=9)


def dropped(home: Home, sample: SampleMarket, session: date) -> None:
    for kind, frame in (("bars", sample.bars), ("index_levels", sample.index_levels)):
        (home.path / "drop" / kind).mkdir(parents=True, exist_ok=True)
        frame.filter(pl.col("session") == session).write_csv(home.path / "drop" / kind / f"{session}.csv")


def fed_by_files(folder: Path) -> Home:
    home = new_home(folder / "home", "simulated")
    home.clock.set(CLOCK)
    (home.path / "countersign.toml").write_text('market_provider = "files"\n')
    return home


def test_a_dropped_session_is_taken_in_checked_and_shown(
    served_home: Path, tmp_path: Path, sample: SampleMarket
) -> None:
    from countersign.flows.market import market_data_ingest  # noqa: PLC0415 - imported where its server is known

    home = fed_by_files(tmp_path)
    for session in SESSIONS:
        dropped(home, sample, session)
        assert market_data_ingest(session, home.path)["verdict"] == "pass"
        expected = sample.bars.filter(pl.col("session") == session)
        assert home.lake.read(BARS, session).equals(expected)
    assert market_data_ingest(home=home.path)["session"] == "2025-06-25"  # the newest closed one; again is fine
    assert home.lake.sessions(BARS) == home.lake.sessions(INDEX_LEVELS) == SESSIONS
    assert home.lake.orphans() == []
    assert market_data_ingest(date(2025, 6, 22), home.path) == {}
    with home.ledger.read() as db:
        assert [report.verdict for report in db.exec(select(QualityReport))] == ["pass"] * 3
    assert "2025-06-25" in artifact("quality")
    assert "report.html" in artifact("quality-report")


def test_instruments_come_with_the_market_and_their_failure_is_a_warning(
    served_home: Path, tmp_path: Path, sample: SampleMarket
) -> None:
    from countersign.flows.market import market_data_ingest  # noqa: PLC0415 - imported where its server is known

    home = fed_by_files(tmp_path)
    for session, text, known in (
        (SESSIONS[0], "symbol,listed\n600519.SH,2001-08-27\n", ["600519.SH"]),
        (SESSIONS[1], "symbol\n113999.SH\n", ["600519.SH"]),
        (SESSIONS[2], "symbol\n000001.SZ\n", ["000001.SZ", "600519.SH"]),
    ):
        dropped(home, sample, session)
        (home.path / "drop" / "instruments.csv").write_text(text)
        assert market_data_ingest(session, home.path)["verdict"] == "pass"
        with home.ledger.read() as db:
            assert read_instruments(db)["symbol"].to_list() == known


class Hesitant:
    """A provider that first answers with the given errors, then with the session's frames."""

    def __init__(self, sample: SampleMarket, errors: list[SourceError]) -> None:
        self.sample, self.errors = sample, errors

    def fetch_bars(self, session: date) -> pl.DataFrame:
        return self.sample.bars.filter(pl.col("session") == session)

    def fetch_index_levels(self, session: date) -> pl.DataFrame:
        if self.errors:
            raise self.errors.pop(0)
        return self.sample.index_levels.filter(pl.col("session") == session)


def test_a_busy_source_is_asked_again_and_a_refusal_is_not(
    served_home: Path, tmp_path: Path, sample: SampleMarket
) -> None:
    from countersign.tasks.market import ingest  # noqa: PLC0415 - imported where its server is known

    home = new_home(tmp_path / "home")

    @flow
    def ingesting(provider: Hesitant) -> list[int]:
        impatient = ingest.task.with_options(retry_delay_seconds=0)
        return [imported.rows for imported in impatient(home, provider, SESSIONS[0], CLOCK)]

    busy = Hesitant(sample, [SourceBusy("not yet"), SourceBusy("not yet", 60)])
    assert ingesting(busy) == [sample.bars.filter(pl.col("session") == SESSIONS[0]).height, 5]
    refusing = Hesitant(sample, [SourceRefused("no"), SourceRefused("no")])
    with pytest.raises(SourceRefused):
        ingesting(refusing)
    assert len(refusing.errors) == 1


def test_ingest_whose_report_fails_completes_and_leaves_the_report_to_the_watchdog(
    served_home: Path, tmp_path: Path, sample: SampleMarket
) -> None:
    from countersign.flows.market import market_data_ingest  # noqa: PLC0415 - imported where its server is known
    from countersign.flows.watchdog import settlement_watchdog  # noqa: PLC0415

    home = fed_by_files(tmp_path)
    dropped(home, sample, SESSIONS[0])
    (home.path / "quality").rmdir()
    (home.path / "quality").touch()
    assert market_data_ingest(SESSIONS[0], home.path, patient=False)["verdict"] == "pass"
    assert home.lake.sessions(BARS) == SESSIONS[:1]
    assert unreported(home, SESSIONS[0]) == SESSIONS[:1]
    (home.path / "quality").unlink()
    found = {row["problem"]: row["state"] for row in settlement_watchdog(SESSIONS[0], home.path)}
    assert found["no quality report"] == "repaired"
    assert unreported(home, SESSIONS[0]) == []
    assert str(home.path) in artifact("quality-report")


def test_without_a_provider_and_bars_a_session_is_held(served_home: Path, tmp_path: Path) -> None:
    from countersign.flows.market import market_data_ingest  # noqa: PLC0415 - imported where its server is known

    home = new_home(tmp_path / "home", "simulated")
    home.clock.set(CLOCK)
    shown = market_data_ingest(SESSIONS[0], home.path)
    assert shown["verdict"] == "hold"
    assert "no bar" in (home.path / shown["report"]).read_text()
    assert "no bars" in artifact("quality")
