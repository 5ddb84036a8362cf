"""Submitting: permission, deadline, and the same portfolio again. On both databases."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from sqlmodel import select

from countersign.domain.signals.payload import payload, signal_hash
from countersign.models.enums import StrategyStatus
from countersign.models.errors import ConflictError, CountersignError, HorizonError, InputError, RefusedError
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import StatusChange, Strategy
from countersign.services.settlement.terms import read_terms
from countersign.services.signals.acceptance import Receipt
from countersign.services.signals.submission import Submission, first_session, read_signals, submit_each
from countersign.store.home import Home
from tests.support.strategies import move, open_strategies, send, status_of

DAY = date(2025, 1, 2)
# 09:15 and 15:00 in Shanghai.
OPEN, CLOSE = datetime(2025, 1, 2, 1, 15, tzinfo=UTC), datetime(2025, 1, 2, 7, tzinfo=UTC)
BEFORE = OPEN - timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
PORTFOLIO = {"600519.SH": 0.5, "000001.SZ": 0.25}
TEXT = "000001.SZ=0.25 600519.SH=0.5"


@pytest.fixture
def desk(home: Home) -> Home:
    """A home with two strategies that trade at the open, and one at the close."""
    open_strategies(home, BEFORE, "one", "two")
    open_strategies(home, BEFORE, "closer", execution_price="close")
    return home


def rows(home: Home) -> list[Signal]:
    with home.ledger.read() as db:
        return list(db.exec(select(Signal).order_by("id")))


def test_a_signal_is_recorded_as_it_was_received(desk: Home) -> None:
    [receipt] = send(desk, DAY, {"one": PORTFOLIO}, OPEN - MICROSECOND)
    [row] = rows(desk)
    assert (row.portfolio, row.symbols_count, row.revision) == (TEXT, 2, 1)
    assert (row.received_at, row.deadline) == (OPEN - MICROSECOND, OPEN)
    assert len(bytes.fromhex(row.salt)) == 16
    assert row.signal_hash == signal_hash(payload("one", DAY, 1, row.salt, TEXT))
    assert (receipt.revision, receipt.signal_hash, receipt.known) == (1, row.signal_hash, False)
    assert status_of(desk, "one") == "active"
    assert status_of(desk, "two") == "pending"


def test_another_portfolio_is_the_next_revision_and_the_same_is_none(desk: Home) -> None:
    first, again, second, back = (
        send(desk, DAY, {"one": weights})[0]
        for weights in (PORTFOLIO, dict(reversed(PORTFOLIO.items())), {"600519.SH": 1.0}, PORTFOLIO)
    )
    assert [receipt.revision for receipt in (first, again, second, back)] == [1, 1, 2, 3]
    assert [receipt.known for receipt in (first, again, second, back)] == [False, True, False, False]
    assert again.signal_hash == first.signal_hash != back.signal_hash
    assert len(rows(desk)) == 3
    with desk.ledger.read() as db:
        found = read_signals(db, DAY, 0, 10)
    assert found["revision"].to_list() == [1, 2, 3]
    assert found["portfolio"].to_list() == [TEXT, "600519.SH=1", TEXT]


@pytest.mark.parametrize(("slug", "closes_at"), [("one", OPEN), ("closer", CLOSE)])
def test_the_deadline_is_strict_to_the_microsecond(desk: Home, slug: str, closes_at: datetime) -> None:
    send(desk, DAY, {slug: PORTFOLIO}, closes_at - MICROSECOND)
    for late in (closes_at, closes_at + MICROSECOND, closes_at + timedelta(days=30)):
        with pytest.raises(RefusedError, match=rf"deadline: {slug} .* strictly before {closes_at:%F %T} UTC"):
            send(desk, DAY, {slug: {"600519.SH": 1.0}}, late)
    assert len(rows(desk)) == 1


@pytest.mark.parametrize(
    ("session", "weights", "error", "words"),
    [
        (DAY, {"one": {"600519.SH": 2.0}}, InputError, "weight"),
        (DAY, {"nobody": PORTFOLIO}, InputError, "nobody"),
        (date(2025, 1, 4), {"one": PORTFOLIO}, InputError, "the next is 2025-01-06"),
        (date(2027, 1, 4), {"one": PORTFOLIO}, HorizonError, "2026-12-31"),
    ],
)
def test_one_faulty_portfolio_keeps_all_out(
    desk: Home, session: date, weights: Mapping[str, Mapping[str, float]], error: type[CountersignError], words: str
) -> None:
    with pytest.raises(error, match=words):
        send(desk, session, {"two": PORTFOLIO, **weights}, BEFORE)
    assert rows(desk) == []
    assert status_of(desk, "two") == "pending"


def test_a_signal_is_taken_twenty_sessions_ahead_and_no_further(desk: Home) -> None:
    ahead = desk.sessions.between(DAY, date(2025, 3, 31))
    send(desk, ahead[20], {"one": PORTFOLIO}, OPEN)
    with pytest.raises(InputError, match="at most 20 sessions ahead"):
        send(desk, ahead[21], {"one": PORTFOLIO}, OPEN)
    # From a Saturday, Monday is the first one ahead.
    saturday = datetime(2025, 1, 4, 4, tzinfo=UTC)
    monday = ahead.index(date(2025, 1, 6))
    send(desk, ahead[monday + 19], {"two": PORTFOLIO}, saturday)
    with pytest.raises(InputError, match="at most 20 sessions ahead"):
        send(desk, ahead[monday + 20], {"two": PORTFOLIO}, saturday)


@pytest.mark.parametrize("status", [StrategyStatus.PAUSED, StrategyStatus.RETIRED])
def test_a_signal_of_a_paused_or_retired_strategy_is_refused(desk: Home, status: StrategyStatus) -> None:
    send(desk, DAY, {"one": PORTFOLIO}, BEFORE)
    move(desk, "one", status, BEFORE)
    with pytest.raises(RefusedError, match=f"one is {status}, expected pending or active"):
        send(desk, DAY, {"two": PORTFOLIO, "one": {"600519.SH": 1.0}})
    assert len(rows(desk)) == 1
    assert status_of(desk, "two") == "pending"


def test_a_settled_session_takes_nothing_more(desk: Home) -> None:
    with desk.ledger.write() as db:
        text = dict.fromkeys(("run", "bars_sha256", "rules_sha256", "manifest", "manifest_sha256"), "")
        db.add(Settlement(session=DAY, strategies=0, settled_at=BEFORE, **text))
    with pytest.raises(ConflictError, match="2025-01-02 is settled already"):
        send(desk, DAY, {"one": PORTFOLIO})
    assert rows(desk) == []


def test_submissions_at_once_are_all_recorded_in_one_order(desk: Home) -> None:
    weights = [{"600519.SH": (n + 1) / 10} for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(send, desk, DAY, {"one": each}) for each in weights]
        receipts = [future.result()[0] for future in futures]
    assert sorted(receipt.revision for receipt in receipts) == [1, 2, 3, 4, 5, 6]
    found = {row.revision: (row.portfolio, row.signal_hash) for row in rows(desk)}
    for receipt, each in zip(receipts, weights, strict=True):
        assert found[receipt.revision] == (f"600519.SH={each['600519.SH']}", receipt.signal_hash)
    with desk.ledger.read() as db:
        changes = [change.status for change in db.exec(select(StatusChange).where(StatusChange.strategy_id == 1))]
    assert changes == ["pending", "active"]


def test_of_many_senders_each_has_an_outcome_of_its_own(desk: Home) -> None:
    owner = first_owner(desk)

    def sent(slug: str, weight: float, before: timedelta, who: int = owner, session: date = DAY) -> Submission:
        portfolio = pl.DataFrame({"symbol": ["600519.SH"], "weight": [weight]})
        return Submission(slug, who, session, portfolio, OPEN - before)

    minute = timedelta(minutes=1)
    outcomes = submit_each(
        desk.ledger,
        desk.sessions,
        [
            sent("one", 0.5, minute),
            sent("one", 0.25, 2 * minute),  # received before the one above
            sent("one", 1.5, minute),
            sent("two", 0.5, minute, who=owner + 1),
            sent("nobody", 0.5, minute),
            sent("two", 0.5, timedelta(0)),
            sent("closer", 0.5, timedelta(0)),
            sent("two", 0.5, minute, session=date(2025, 1, 4)),
            sent("two", 0.5, minute, session=date(2025, 1, 3)),
            sent("two", 0.5, minute, session=date(2025, 1, 3)),
        ],
    )
    kinds = [type(outcome).__name__ for outcome in outcomes]
    refused = ["InputError", "InputError", "InputError", "RefusedError"]
    assert kinds == ["Receipt", "Receipt", *refused, "Receipt", "InputError", "Receipt", "Receipt"]
    receipts = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    told = [(receipt.strategy, receipt.session.day, receipt.revision, receipt.known) for receipt in receipts]
    assert told == [
        ("one", 2, 2, False),
        ("one", 2, 1, False),
        ("closer", 2, 1, False),
        ("two", 3, 1, False),
        ("two", 3, 1, True),
    ]
    written = {(row.id, row.signal_hash, row.revision, row.received_at) for row in rows(desk)}
    assert written == {(each.signal_id, each.signal_hash, each.revision, each.received_at) for each in receipts}


def first_owner(home: Home) -> int:
    with home.ledger.read() as db:
        return db.exec(select(Strategy.owner_id).where(Strategy.slug == "one")).one()


def test_the_first_signal_starts_a_strategy(desk: Home) -> None:
    with desk.ledger.read() as db:
        assert first_session(db) is None
    send(desk, date(2025, 1, 6), {"one": PORTFOLIO}, BEFORE)
    send(desk, DAY, {"two": PORTFOLIO})
    with desk.ledger.read() as db:
        assert first_session(db) == DAY


def test_terms_are_those_of_the_deadline_after_later_changes(desk: Home) -> None:
    send(desk, DAY, {"one": PORTFOLIO, "two": PORTFOLIO, "closer": PORTFOLIO}, BEFORE)
    paused, retired = StrategyStatus.PAUSED, StrategyStatus.RETIRED
    move(desk, "one", paused, OPEN - MICROSECOND)
    move(desk, "two", paused, OPEN)
    move(desk, "closer", paused, OPEN)
    late = datetime(2025, 1, 3, 12, tzinfo=UTC)
    move(desk, "two", retired, late)

    def paused_at(session: date) -> dict[str, bool]:
        with desk.ledger.read() as db:
            return dict(read_terms(db, session, 0, 10).select("strategy", "paused").iter_rows())

    assert paused_at(DAY) == {"closer": True, "one": True, "two": False}
    # It was retired on the third: not settled after that.
    assert paused_at(date(2025, 1, 3)) == {"closer": True, "one": True, "two": True}
    assert paused_at(date(2025, 1, 6)) == {"closer": True, "one": True}
    # Nobody had begun before the first deadline.
    assert paused_at(date(2024, 12, 30)) == {}
