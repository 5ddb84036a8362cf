"""Claimed performances in the ledger: the rows that are kept, and the verdicts as of a session."""

from datetime import UTC, date, datetime, time, timedelta

import polars as pl
import pytest
from sqlmodel import select

from countersign.domain.evaluation.claimed_performance import write_records
from countersign.domain.evaluation.tracking import track
from countersign.domain.sessions import at
from countersign.models.enums import StrategyStatus, Verdict
from countersign.models.errors import RefusedError
from countersign.models.tables.claimed import ClaimedPerformance
from countersign.models.tables.operations import AuditEntry, account
from countersign.services.evaluation.claimed_performance import (
    current_uploads,
    delete_claimed,
    find_claimed,
    read_verdicts,
    upload_claimed,
)
from countersign.services.strategies.lifecycle import require_strategy
from countersign.store.home import Home
from tests.support.settled import weekdays
from tests.support.strategies import move, open_strategies

DAYS = weekdays(40)
BEGUN = at(DAYS[5], time(9))
RECORDS = [(day, 100.0 + 7 * n % 11) for n, day in enumerate(DAYS[:30])]


@pytest.fixture
def begun(home: Home) -> Home:
    """A home with a pending, an active and a retired strategy; begun on the sixth day."""
    open_strategies(home, BEGUN - timedelta(days=9), "waits", "works", "ended")
    move(home, "works", StrategyStatus.ACTIVE, BEGUN)
    move(home, "ended", StrategyStatus.ACTIVE, BEGUN)
    move(home, "ended", StrategyStatus.RETIRED, BEGUN + timedelta(days=1))
    return home


def upload(home: Home, records: list[tuple[date, float]], now: datetime, slug: str = "works") -> bool:
    with home.ledger.write() as db:
        return upload_claimed(db, require_strategy(db, slug), write_records(records), len(records), now, account(1))[1]


def withdraw(home: Home, now: datetime, slug: str = "works") -> int | None:
    with home.ledger.write() as db:
        return delete_claimed(db, require_strategy(db, slug), now, account(1))


def test_nothing_that_was_claimed_is_ever_lost(begun: Home) -> None:
    first, second, third = (at(DAYS[30 + n], time(12)) for n in range(3))
    assert not upload(begun, RECORDS, first)
    assert upload(begun, RECORDS, second)  # the same: nothing is replaced
    assert upload(begun, RECORDS[:-1], second)
    assert withdraw(begun, third) == 29
    assert withdraw(begun, third) is None
    assert not upload(begun, RECORDS[:2], third)
    with begun.ledger.read() as db:
        strategy = require_strategy(db, "works")
        found = find_claimed(db, strategy.id)
        assert found is not None
        assert (found.upload.revision, found.first_uploaded_at, found.activated_on) == (3, first, DAYS[5])
        assert found.records.rows() == RECORDS[:2]
        assert current_uploads(db) == {strategy.id: found.upload.id}
        rows = db.exec(select(ClaimedPerformance).order_by(ClaimedPerformance.revision)).all()  # type: ignore[arg-type]
        assert [(row.data_points, row.uploaded_at, row.superseded_at) for row in rows] == [
            (30, first, second),
            (29, second, third),
            (2, third, None),
        ]
        log = [(entry.action, entry.subject, entry.actor) for entry in db.exec(select(AuditEntry))]
    told = [f"claimed performance {what}" for what in ("uploaded", "replaced", "deleted", "uploaded")]
    assert [entry for entry in log if entry[0].startswith("claimed")] == [(what, "works", "account:1") for what in told]


def test_only_a_strategy_that_has_begun_and_not_ended_claims(begun: Home) -> None:
    for slug, words in (("waits", "at least one signal first"), ("ended", "retired")):
        with pytest.raises(RefusedError, match=words):
            upload(begun, RECORDS, at(DAYS[30], time(12)), slug)
    with pytest.raises(RefusedError, match="retired"):
        withdraw(begun, at(DAYS[30], time(12)), "ended")


def test_a_session_is_judged_by_the_claim_before_its_close(begun: Home) -> None:
    nav = pl.DataFrame(
        [("works", day, level) for day, level in RECORDS[5:]], schema=["strategy", "session", "nav"], orient="row"
    )
    off = [(day, level * (1 + n % 3)) for n, (day, level) in enumerate(RECORDS)]
    upload(begun, RECORDS, at(DAYS[12], time(15)))  # too late for the session of that day
    upload(begun, off, at(DAYS[20], time(14, 59)))
    withdraw(begun, at(DAYS[26], time(14, 59)))
    upload(begun, RECORDS[:12], at(DAYS[28], time(9)))  # the first seven days of tracking
    sessions = DAYS[5:30]
    with begun.ledger.read() as db:
        found = read_verdicts(db, nav, sessions)
        alone = [read_verdicts(db, nav, [session]) for session in sessions]
    assert found.equals(pl.concat(alone))
    told = dict(zip(found["session"], found["verdict"], strict=True))
    good, bad = Verdict.CONSISTENT, Verdict.SIGNIFICANT_DIVERGENCE
    assert told == dict.fromkeys(DAYS[13:20], good) | dict.fromkeys(DAYS[20:26], bad) | dict.fromkeys(DAYS[28:30], good)
    frame = pl.DataFrame(off, schema=["session", "nav"], orient="row")
    judged = track(frame, nav.drop("strategy"))
    assert judged is not None
    assert judged.verdict is bad


def test_too_few_common_sessions_are_no_verdict(begun: Home) -> None:
    nav = pl.DataFrame(
        [("works", day, level) for day, level in RECORDS[5:]], schema=["strategy", "session", "nav"], orient="row"
    )
    upload(begun, RECORDS, datetime(2025, 1, 1, tzinfo=UTC))
    with begun.ledger.read() as db:
        assert read_verdicts(db, nav, DAYS[5:10])["session"].to_list() == [DAYS[9]]
