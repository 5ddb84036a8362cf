"""The morning's signals of portfolios under a real Prefect server, in the watchdog's care, and through whole days."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from sqlmodel import select

from countersign.domain.sessions import at, deadline
from countersign.models.datasets import FACTOR_IC, NAV, ORDERS
from countersign.models.enums import NoticeKind, PortfolioStatus
from countersign.models.problems import Repair
from countersign.models.tables.attestation import Seal
from countersign.models.tables.operations import Notification
from countersign.models.tables.portfolios import FactorPortfolio
from countersign.models.tables.signals import Signal
from countersign.services.notifications.notifications import open_alerts
from countersign.services.operations.platform_status import read_platform_status
from countersign.services.portfolios.lifecycle import pause_portfolio, resume_portfolio
from countersign.services.portfolios.make_signals import MISSED
from countersign.services.watchdog.factor_checks import FACTOR_CHECKS
from countersign.store.home import Home
from countersign.store.ledger.leases import lease
from countersign.store.lens.reader import open_lens
from tests.support.artifacts import artifact
from tests.support.portfolios import NAMES, SLOTS, Lab, factor_of, upload

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

NINE, LATE = SLOTS["portfolio-signals"].at, SLOTS["portfolio-signals"].late_after


@pytest.fixture
def home(lab_home: Home) -> Home:
    """The home of the lab, under its usual name."""
    return lab_home


def run(home: Home, session: date | None = None) -> list[tuple[str, int, int | None, bool]]:
    from countersign.flows.portfolios import portfolio_signal_generation  # noqa: PLC0415 - imported where its server is known

    rows: list[dict[str, Any]] = portfolio_signal_generation(session=session, home=home.path)
    return [(row["portfolio"], row["symbols"], row["revision"], row["news"]) for row in rows]


def table() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(artifact("portfolio-signals"))
    return found


def told(home: Home) -> list[tuple[str, str]]:
    with home.ledger.read() as db:
        rows = db.exec(select(Notification).where(Notification.user_id == 1)).all()
    return [(row.kind, row.text) for row in rows if row.resolved_at is None and row.kind.startswith("portfolio")]


def test_before_the_deadline_once_and_after_it_never(served_home: Path, home: Home, lab: Lab) -> None:
    first, second, *_ = lab.later
    home.clock.set(at(first, NINE))
    with lease(home.ledger, "portfolios"):
        assert run(home) == []  # another run is at it
    assert run(home) == [("both", 5, 1, True)]
    assert run(home) == [("both", 5, 1, False)]
    with home.ledger.read() as db:
        [signal] = db.exec(select(Signal)).all()
        assert db.get_one(Seal, signal.id).commit_sha
    assert (signal.session, signal.received_at) == (first, at(first, NINE))
    # Newer values for the second session, and then others, in time: another revision, no second one of the same.
    home.clock.set(at(second, NINE))
    assert run(home, second) == [("both", 5, 1, True)]
    for name in NAMES:
        upload(home, lab.owner, lab.factors[name], "noise", first, first)
    assert run(home, second) == [("both", 5, 2, True)]
    home.clock.set(deadline(second, "open"))
    assert run(home) == []  # it has a signal: nobody needs to know
    assert told(home) == []
    third = lab.later[2]
    home.clock.set(deadline(third, "open"))
    assert run(home) == [("both", 0, None, False)]
    [(kind, text)] = told(home)
    assert kind == NoticeKind.PORTFOLIO_WITHOUT_SIGNAL
    assert f"has no signal for {third}: not made before the deadline, {third} 01:15:00 UTC" in text
    with home.ledger.read() as db:
        assert [matter.key for matter in open_alerts(db)] == [MISSED]
        assert len(db.exec(select(Signal)).all()) == 3
    assert run(home) == []  # told already
    assert run(home, date(2024, 12, 28)) == []  # a Saturday


def test_one_that_cannot_be_made_or_is_refused_says_why(served_home: Path, home: Home, lab: Lab) -> None:
    newest, stale = lab.later[-1], home.sessions.next(lab.later[-1])
    home.clock.set(at(newest, NINE))
    assert run(home) == [("both", 5, 1, True)]  # five sessions old: still good
    home.clock.set(at(stale, NINE))
    assert run(home) == [("both", 0, None, False)]
    before = home.sessions.previous(lab.later[0])
    reason = f"no values from the 5 sessions before: first (newest: {before}), second (newest: {before})"
    assert told(home) == [("portfolio_without_signal", f"portfolio both has no signal for {stale}: {reason}")]
    [row] = table()
    assert (row["portfolio"], row["session"], row["revision"], row["reason"]) == ("both", str(stale), None, reason)
    for name in NAMES:
        upload(home, lab.owner, lab.factors[name], name, lab.later[-1], lab.later[-1])
    assert run(home) == [("both", 5, 1, True)]
    assert told(home) == []
    with home.ledger.write() as db:
        pause_portfolio(db, db.get_one(FactorPortfolio, lab.portfolio), home.clock.now())
    assert run(home) == []


def test_the_watchdog_has_it_made_while_there_is_time(served_home: Path, home: Home, lab: Lab) -> None:
    from countersign.flows.watchdog import repair  # noqa: PLC0415 - imported where its server is known

    first, second, *_ = lab.later
    before = home.sessions.previous(first)
    assert before is not None
    check = FACTOR_CHECKS[0]
    home.clock.set(at(first, LATE))
    assert check(home, before) == []
    assert "portfolio-signals" not in late(home)
    home.clock.set(at(first, LATE) + timedelta(minutes=1))
    found = check(home, before)
    assert [(problem.repair, problem.session) for problem in found] == [(Repair.PORTFOLIOS, first)]
    repair(home, before, found)
    assert check(home, before) == []
    home.clock.set(at(second, LATE) + timedelta(minutes=1))
    assert late(home) == {"portfolio-signals"}
    home.clock.set(deadline(second, "close"))
    found = check(home, second)
    assert [problem.text for problem in found] == [
        f"{second}: 1 portfolios have no signal, and their owners do not know"
    ]
    repair(home, second, found)
    assert (check(home, second), len(told(home))) == ([], 1)
    with home.ledger.write() as db:
        portfolio = db.get_one(FactorPortfolio, lab.portfolio)
        pause_portfolio(db, portfolio, home.clock.now())
        resume_portfolio(db, portfolio, home.clock.now())
    assert portfolio.status == PortfolioStatus.ACTIVE
    assert check(home, second) == []


def test_sessions_missed_in_an_outage_are_tracked_and_notified_once(served_home: Path, home: Home, lab: Lab) -> None:
    from countersign.flows.watchdog import settlement_watchdog  # noqa: PLC0415 - imported where its server is known

    first, second, third, fourth, _ = lab.later
    for name in NAMES:
        upload(home, lab.owner, lab.factors[name], name, first, first)
    home.clock.set(at(third, SLOTS["watchdog"].late_after))
    rows: list[dict[str, Any]] = settlement_watchdog(home=home.path)
    found = [(row["problem"], row["what"][:10], row["state"]) for row in rows if row["problem"] != "stale lens"]
    missed = [("portfolios without signal", str(day), "repaired") for day in (first, second, third)]
    assert found == [*missed, ("not tracked", str(first), "repaired")]
    assert [kind for kind, _ in told(home)] == ["portfolio_without_signal"] * 3
    with home.ledger.read() as db:
        assert [(matter.key, matter.text) for matter in open_alerts(db)] == [
            (MISSED, f"1 portfolios missed the deadline of {third}")
        ]
    assert factor_of(home, lab, "first").os_sessions == 1
    assert settlement_watchdog(home=home.path) == []
    home.clock.set(at(fourth, NINE))
    assert run(home) == [("both", 5, 1, True)]
    with home.ledger.read() as db:
        assert open_alerts(db) == []


def late(home: Home) -> set[str]:
    standing = read_platform_status(home, home.clock.now())
    return {stage.stage for stage in standing.stages if stage.late and stage.stage == "portfolio-signals"}


def test_whole_days_from_the_signal_to_the_track_record(served_home: Path, home: Home, lab: Lab) -> None:
    from countersign.flows.replay import replay  # noqa: PLC0415 - imported where its server is known

    first, second, third, *_ = lab.later
    # Values uploaded ahead are in time; a signal looks at the sessions before its own alone.
    for name in NAMES:
        upload(home, lab.owner, lab.factors[name], name, first, second)
    done = replay(first, third, home=home.path)
    assert done == {"sessions": 3, "signals": 3, "settled": 3}
    with home.ledger.read() as db:
        signals = db.exec(select(Signal).order_by(Signal.id)).all()  # type: ignore[arg-type]
        assert all(db.get_one(Seal, signal.id).commit_sha for signal in signals)
    assert [(signal.session, signal.received_at) for signal in signals] == [
        (day, at(day, NINE)) for day in (first, second, third)
    ]
    assert (
        home.lake.scan(ORDERS, first, first).filter(pl.col("filled") > 0).collect()["strategy"].to_list()
        == [lab.slug] * 5
    )
    assert home.lake.sessions(NAV) == [first, second, third]
    with open_lens(home.path) as lens, lens.use() as db:
        tracked = db.execute("SELECT session, count(*) FROM factor_ic WHERE phase = 'os' GROUP BY ALL").fetchall()
        assert tracked == [(first, 2)]
        assert db.execute("SELECT sum(os_sessions) FROM factors").fetchall() == [(2,)]
        assert db.execute("SELECT count(*) FROM nav").fetchall() == [(3,)]
    assert factor_of(home, lab, "first").os_sessions == 1
    assert home.lake.sessions(FACTOR_IC)[-1] == first
    assert replay(first, third, home=home.path)["sessions"] == 0
