"""The journal's clock: the first commit says which, and no home with the other one writes to it, or opens."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from countersign.models.errors import ConflictError, StoreError
from countersign.models.tables.operations import HomeFact
from countersign.services.attestation.sealing import seal_pending
from countersign.store.home import Home
from countersign.store.journal.clock import journal_clock
from countersign.store.journal.journal import Journal
from tests.support.handmade_journal import Handmade, utc
from tests.support.journals import files_of, git
from tests.support.strategies import open_strategies, send
from tests.support.worked_example import FIRST, LATER, open_first

NOW = datetime(2025, 1, 2, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize("simulated", [True, False])
def test_the_first_commit_names_the_journals_clock(tmp_path: Path, simulated: bool) -> None:
    journal = Journal(tmp_path / "journal", tmp_path)
    journal.create()
    for n in range(2):
        with journal.writing(simulated=simulated) as writer:
            writer.add({f"attestations/{n}": b"{}"}, "seal", NOW + timedelta(seconds=n))
    head = journal.head()
    assert head
    assert journal_clock(journal, head.sha) is simulated
    said = b'{"schema":"countersign/clock/v1","simulated":%s}\n' % (b"true" if simulated else b"false")
    assert files_of(journal.path)["clock.json"] == said
    assert git(journal.path, "log", "--format=%s", "--", "clock.json") == "seal\n"
    with pytest.raises(ConflictError, match="clock_mixed"), journal.writing(simulated=not simulated):
        pass


@pytest.mark.parametrize("simulated", [True, False])
def test_in_an_older_journal_the_first_record_says_it(tmp_path: Path, simulated: bool) -> None:
    handmade = Handmade.make(tmp_path)
    open_first(handmade)
    handmade.seal("alpha", FIRST, LATER, utc("2025-01-02 09:00"), simulated=simulated)
    handmade.commit(utc("2025-01-02 09:01"))
    handmade.write("README.md", b"# later\n")
    handmade.commit(utc("2025-01-02 09:02"))
    journal = Journal(handmade.path / ".git", tmp_path)
    head = journal.head()
    assert head
    assert journal_clock(journal, head.sha) is simulated


def test_a_home_whose_clock_was_changed_neither_seals_nor_opens(home: Home) -> None:
    """The ledger's own word for the clock is changed, as only its operator can."""
    open_strategies(home, NOW, "alpha")
    send(home, NOW.date(), {"alpha": {"600001.SH": 0.5}}, NOW)
    seal_pending(home, NOW)
    with home.ledger.write() as db:
        [fact] = db.exec(select(HomeFact).where(HomeFact.key == "clock"))
        fact.value = "system"
        db.add(fact)
    changed = Home(home.path, home.database_url, home.lake_path)
    send(changed, NOW.date(), {"alpha": {"600001.SH": 0.6}}, NOW + timedelta(minutes=1))
    head = git(home.path / "journal", "rev-parse", "HEAD")
    with pytest.raises(ConflictError, match="clock_mixed: the journal has the simulated clock for life"):
        seal_pending(changed, NOW + timedelta(minutes=2))
    with pytest.raises(ConflictError, match="clock_mixed"):
        changed.check()
    assert git(home.path / "journal", "rev-parse", "HEAD") == head


def test_home_opens_without_git_where_its_sealer_left_the_journal(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    open_strategies(home, NOW, "alpha")
    send(home, NOW.date(), {"alpha": {"600001.SH": 0.5}}, NOW)
    seal_pending(home, NOW)
    monkeypatch.setenv("PATH", "/nowhere")
    home.check()
    moved = home.journal.path / "refs/heads/main"
    moved.write_text("0" * 40 + "\n")
    with pytest.raises(StoreError, match="git"):
        home.check()
