"""Ends of strategies in the journal: when they are known, and how they survive a crash or a restored ledger."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from countersign.domain.attestation.journal import FaultKind
from countersign.domain.sessions import deadline
from countersign.models.enums import StrategyStatus
from countersign.models.tables.attestation import Retirement
from countersign.services.attestation.sealing import is_pending, seal_pending
from countersign.services.verification.verify import verify_journal
from countersign.store.home import Home
from tests.support.correcting import change_bars, correct_session
from tests.support.journals import check_journal, files_of, git, shard
from tests.support.settling import settle_session
from tests.support.strategies import move, open_strategies, send
from tests.support.trading import trading

DAYS = trading().sessions
SQLITE = pytest.mark.parametrize("traded", ["sqlite"], indirect=True)


def end_of(home: Home, slug: str) -> dict[str, Any] | None:
    content = files_of(home.path / "journal").get(f"retirements/{shard(slug)}/{slug}.json")
    found: dict[str, Any] | None = json.loads(content) if content else None
    return found


def named(home: Home) -> set[FaultKind]:
    """Return the kinds of faults, but for seals that tests make hours after their deadline."""
    return {fault.kind for fault in verify_journal(home.path / "journal").faults} - {FaultKind.LATE}


def morning(day: date) -> datetime:
    return deadline(day, "open") - timedelta(hours=1)


def test_an_end_is_sealed_once_its_last_session_is_and_before_the_next(fresh: Home) -> None:
    """s03 retires in the evening of the third session, before that is settled."""
    seal_pending(fresh, morning(DAYS[0]))
    for n, day in enumerate(DAYS[:4]):
        settle_session(fresh, day)
        assert is_pending(fresh)
        outcome = seal_pending(fresh, deadline(day, "close") + timedelta(hours=4))
        assert not is_pending(fresh)
        assert len(outcome.commits) == (2 if n == 2 else 1)
        assert (end_of(fresh, "s03") is None) is (n < 2)
        assert named(fresh) == set()
    check_journal(fresh)
    [ended] = verify_journal(fresh.path / "journal").retired
    assert (ended.strategy, ended.session, ended.recorded) == ("s03", DAYS[2], True)


def test_days_that_waited_are_disclosed_with_each_end_at_its_place(settled: Home) -> None:
    seal_pending(settled, settled.clock.now())
    log = git(settled.path / "journal", "log", "--reverse", "--format=%s").splitlines()
    reveals = [f"reveal {day}" for day in DAYS]
    assert log[1:] == [*reveals[:3], "record the end of 1 strategies", *reveals[3:]]
    check_journal(settled)
    assert named(settled) == set()


@SQLITE
@pytest.mark.parametrize(
    "after",
    [
        timedelta(days=1),
        pytest.param(timedelta(hours=6), marks=pytest.mark.slow),
        pytest.param(timedelta(days=2, hours=8, minutes=59), marks=pytest.mark.slow),
    ],
)
def test_an_end_after_the_newest_close_is_sealed_at_once(settled: Home, after: timedelta) -> None:
    """Friday was settled and is disclosed: nothing comes before Monday, and the end is sealed at once."""
    seal_pending(settled, settled.clock.now())
    at = deadline(DAYS[-1], "close") + after
    move(settled, "s01", StrategyStatus.RETIRED, at)
    assert is_pending(settled)
    assert len(seal_pending(settled, at).commits) == 1
    found = end_of(settled, "s01")
    assert found
    assert (found["session"], found["retired_at"]) == (f"{DAYS[-1]}", at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    check_journal(settled)
    assert named(settled) == set()


@SQLITE
def test_an_end_on_monday_waits_for_mondays_settlement(settled: Home) -> None:
    seal_pending(settled, settled.clock.now())
    move(settled, "s01", StrategyStatus.RETIRED, datetime(2025, 3, 10, 1, 0, tzinfo=UTC))
    assert not is_pending(settled)
    settle_session(settled, date(2025, 3, 10))
    seal_pending(settled, datetime(2025, 3, 10, 10, 30, tzinfo=UTC))
    found = end_of(settled, "s01")
    assert found
    assert found["session"] == "2025-03-10"
    check_journal(settled)


def test_a_strategy_ended_before_it_was_ever_settled_has_an_end_without_a_session(home: Home) -> None:
    """With a sealed signal for a session that comes after its end; and one that never signalled is in no journal."""
    at = morning(DAYS[0])
    open_strategies(home, at, "ahead", "silent", "stays")
    send(home, DAYS[1], {"ahead": {"600001.SH": 0.5}, "stays": {"600001.SH": 0.5}}, at)
    for slug in ("ahead", "silent"):
        move(home, slug, StrategyStatus.RETIRED, at + timedelta(minutes=1))
    seal_pending(home, at + timedelta(minutes=2))
    found = end_of(home, "ahead")
    assert found
    assert (found["session"], found["version"], found["nav"]) == ("", 0, "")
    assert end_of(home, "silent") is None
    assert not is_pending(home)
    check_journal(home)
    assert verify_journal(home.path / "journal").holds


@SQLITE
def test_ends_from_before_there_were_records_are_filled_in(settled: Home) -> None:
    """A ledger of an older version, or one restored from a back-up, takes the journal's ends as they are."""
    seal_pending(settled, settled.clock.now())
    before = end_of(settled, "s03")
    with settled.ledger.write() as db:
        db.connection().execute(sa.delete(Retirement))
    change_bars(settled, DAYS[2])
    correct_session(settled, DAYS[2])
    head = git(settled.path / "journal", "rev-parse", "HEAD").strip()
    assert is_pending(settled)
    outcome = seal_pending(settled, settled.clock.now())
    assert not is_pending(settled)
    assert outcome.disclosed == 3
    assert git(settled.path / "journal", "rev-list", f"{head}..HEAD").count("\n") == 3
    assert end_of(settled, "s03") == before
    # The corrected NAV counts, and the record still says which version it knew.
    [ended] = verify_journal(settled.path / "journal").retired
    assert before
    assert ended.nav != before["nav"]
    assert named(settled) == set()
