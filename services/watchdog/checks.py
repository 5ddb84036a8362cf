"""Watchdog: find work that is missing, late or stale, left-overs and expiries, and name the stage for repair.

Looking changes nothing; only clutter is removed here. Everything else is repaired by running the stage.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import chain
from pathlib import Path

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.domain.sessions import EXCHANGE_ZONE, at
from countersign.models.datasets import BARS, MARKS, NAV, ORDERS, POSITIONS, SIGNALS
from countersign.models.enums import Severity, StrategyStatus
from countersign.models.errors import StoreError
from countersign.models.problems import KEY, Repair, WatchdogProblem
from countersign.models.tables.attestation import JournalCommit
from countersign.models.tables.lake import LakeFile
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.models.timetable import TIMETABLE
from countersign.services.evaluation.histories import unevaluated
from countersign.services.notifications.notifications import notify, open_alerts, resolve
from countersign.services.operations.platform_status import free_bytes
from countersign.services.publication.publish import lens_is_current
from countersign.services.settlement.corrections import changed_sessions
from countersign.services.settlement.settled import due_sessions
from countersign.services.watchdog.attestation_checks import ATTESTATION_CHECKS
from countersign.services.watchdog.digest_checks import DIGEST_CHECKS
from countersign.services.watchdog.external_checks import feed_problems
from countersign.services.watchdog.factor_checks import FACTOR_CHECKS
from countersign.services.watchdog.instrument_checks import delisted_holdings
from countersign.services.watchdog.quality_checks import missing_reports
from countersign.store.clock import wall_clock
from countersign.store.home import Home

SETTLED_DATASETS = (SIGNALS, ORDERS, POSITIONS, NAV, MARKS)
# Problems that a settlement under way leaves behind while it runs.
SETTLING = ("not settled", "not evaluated", "stale lens")
# A stage stages its files before it commits them: a younger file may be about to count.
ORPHAN_AFTER = timedelta(hours=6)
EVALUATION_LATE_AFTER = next(slot.late_after for slot in TIMETABLE if slot.stage == Repair.EVALUATE)
# A commit's time is rounded up to a whole second, and machines that keep their time differ by less.
CLOCK_TOLERANCE = timedelta(seconds=5)
LEAST_FREE_BYTES = 2 * 1024**3


def find_problems(home: Home, session: date) -> list[WatchdogProblem]:
    """Run all checks up to `session`; an empty list is a healthy home."""
    checks: tuple[Callable[[Home, date], list[WatchdogProblem]], ...] = (
        _clock,
        _horizon,
        _disk,
        _unsettled,
        _changed,
        _missing_nav,
        _unevaluated,
        *DIGEST_CHECKS,
        _lens,
        _orphans,
        *ATTESTATION_CHECKS,
        *FACTOR_CHECKS,
        feed_problems,
        delisted_holdings,
        missing_reports,
    )
    return list(chain.from_iterable(check(home, session) for check in checks))


def sweep_orphans(home: Home) -> int:
    """Delete files of the lake that no row ever named and that are too old to be about to count; return how many."""
    stale = _old_orphans(home)
    for path in stale:
        path.unlink(missing_ok=True)
    return len(stale)


def settled_elsewhere(problems: list[WatchdogProblem]) -> list[WatchdogProblem]:
    """Return the problems as they are while another run settles: its work still to do is a warning."""
    return [
        replace(problem, text=f"{problem.text}: another run is settling", warning=True)
        if problem.kind in SETTLING
        else problem
        for problem in problems
    ]


def alert_operator(home: Home, problems: list[WatchdogProblem]) -> None:
    """Make each problem a notification, and close those whose problem is gone."""
    now = home.clock.now()
    with home.ledger.write() as db:
        for problem in problems:
            notify(db, problem.key, problem.kind, problem.text, now)
        standing = {problem.key for problem in problems}
        for matter in open_alerts(db):
            if matter.key.startswith(KEY) and matter.key not in standing:
                resolve(db, matter.key, now)


def _clock(home: Home, _session: date) -> list[WatchdogProblem]:
    """Compare the system clock with the newest times it gave: one that stepped back would open deadlines again."""
    if home.clock.simulated:
        return []
    now = home.clock.now()
    queries = {
        "the newest signal's receipt": select(Signal.received_at).order_by(col(Signal.id).desc()).limit(1),
        "the newest settlement": select(Settlement.settled_at).order_by(col(Settlement.id).desc()).limit(1),
        "the newest commit": select(func.max(JournalCommit.committed_at)),
    }
    with home.ledger.read() as db:
        given = [(at, what) for what, query in queries.items() if (at := db.exec(query).first())]
    at, what = max(given, default=(now, ""))
    if at <= now + CLOCK_TOLERANCE:
        return []
    text = f"the clock says {now:%F %T} UTC, {what} is of {at:%F %T}: it stepped back, or was ahead; set it right"
    return [WatchdogProblem("clock stepped back", "clock", text)]


def _horizon(home: Home, _session: date) -> list[WatchdogProblem]:
    text = home.sessions.horizon_warning(home.clock.now().astimezone(EXCHANGE_ZONE).date())
    known = home.sessions.known_until.isoformat()
    return [WatchdogProblem("calendar horizon", known, text, warning=True)] if text else []


def _disk(home: Home, _session: date) -> list[WatchdogProblem]:
    free = free_bytes(home)
    if free >= LEAST_FREE_BYTES:
        return []
    text = f"{free / 1e9:.1f} GB are left on the disk of the home or the lake, expected {LEAST_FREE_BYTES / 1e9:.1f}"
    return [WatchdogProblem("disk nearly full", str(home.path), text)]


def _unsettled(home: Home, session: date) -> list[WatchdogProblem]:
    with home.ledger.read() as db:
        due = due_sessions(db, home.sessions, session)
    if not due:
        return []
    have = set(home.lake.sessions(BARS, due[0], due[-1]))
    problems = _held(home, due[0]) if due[0] in have else []
    for day in due:
        if day not in have:
            problems.append(
                WatchdogProblem("no market data", day.isoformat(), f"{day} has no bars", Repair.INGEST, day)
            )
        problems.append(WatchdogProblem("not settled", day.isoformat(), f"{day} is not settled", Repair.SETTLE, day))
    return problems


def _held(home: Home, day: date) -> list[WatchdogProblem]:
    """Whether the gate holds the session that all others wait for: fetched again it may have better bars."""
    from countersign.services.settlement.quality import inspect_bars  # noqa: PLC0415 - brings NumPy in

    try:
        faults = [finding for finding in inspect_bars(home, day).findings if finding.severity is Severity.HOLD]
    except StoreError:
        return []  # a file that is damaged is a problem of its own
    except pl.exceptions.PolarsError as error:
        text = f"{day} cannot be looked at: {error}"
        return [WatchdogProblem("held by the gate", day.isoformat(), text, Repair.INGEST, day)]
    if not faults:
        return []
    text = f"{day} is held: " + "; ".join(f"{fault.rule}: {fault.detail}" for fault in faults)
    return [WatchdogProblem("held by the gate", day.isoformat(), text, Repair.INGEST, day)]


def _changed(home: Home, session: date) -> list[WatchdogProblem]:
    """Settled sessions whose market has changed since: whether to correct them is the operator's decision."""
    changed = changed_sessions(home.lake, home.sessions, session)
    return [
        WatchdogProblem(
            "changed after settlement",
            f"{day}",
            f"{day}: {', '.join(what)} changed after it was settled; `countersign correct --session {day}` corrects it",
            session=day,
            warning=True,
        )
        for day, what in changed.items()
    ]


def _missing_nav(home: Home, session: date) -> list[WatchdogProblem]:
    """Compare the NAV of each settled session with the strategies that must have one.

    The counts are compared in every session; the strategies, in the newest session and those whose counts differ. Not
    seen: in an older session, as many strategies too many as are missing.
    """
    with home.ledger.read() as db:
        settled = pl.Series("session", list(db.exec(select(col(Settlement.session)).distinct())), dtype=pl.Date).sort()
        lives = _lives(db)
        counts = db.execute(
            sa.select(col(LakeFile.session), func.sum(col(LakeFile.rows)))
            .where(col(LakeFile.dataset) == NAV.name, col(LakeFile.superseded_at).is_(None))
            .group_by(col(LakeFile.session))
        ).all()
    rows: dict[date, int] = {row[0]: row[1] for row in counts}
    days = settled.filter(settled <= session).to_list()
    problems = []
    for day in days:
        expected = lives.filter((pl.col("first") <= day) & (pl.col("last") >= day))["strategy"]
        found = rows.get(day, 0)
        if found == expected.len() and day != days[-1]:
            continue
        who = _differences(home, day, set(expected))
        if found != expected.len() or who:
            text = f"{day}: expected the NAV of {expected.len()} strategies, found {found}{who}"
            problems.append(WatchdogProblem("missing NAV", day.isoformat(), text, Repair.SETTLE, day))
    return problems


def _differences(home: Home, day: date, expected: set[str]) -> str:
    """Name strategies without their NAV in a session, and those with a NAV in excess, some of each; "" for none."""
    try:
        found = set(home.lake.scan(NAV, day, day).select("strategy").collect()["strategy"])
    except StoreError:
        return ""  # a file that is damaged is a problem of its own
    except pl.exceptions.PolarsError as error:
        return f"; they cannot be read: {error}"
    sides = (("missing", expected - found), ("not expected", found - expected))
    return "".join(f"; {word} {len(who)}, such as {', '.join(sorted(who)[:3])}" for word, who in sides if who)


def _unevaluated(home: Home, session: date) -> list[WatchdogProblem]:
    """Settled sessions whose evaluation is late; before that it is only on its way."""
    with home.ledger.read() as db:
        waiting = unevaluated(db, session)
    late = (day for day in waiting if at(day, EVALUATION_LATE_AFTER) < home.clock.now())
    return [
        WatchdogProblem("not evaluated", str(day), f"{day} is settled and not evaluated", Repair.EVALUATE, day)
        for day in late
    ]


def _lives(db: Session) -> pl.DataFrame:
    """First and last session (far future while it lives) in which each strategy, by its slug, must have a NAV."""
    query = (
        sa.select(col(Strategy.slug), func.min(col(Signal.session)), col(Strategy.retired_at))
        .join(Strategy, col(Strategy.id) == col(Signal.strategy_id))
        .where(col(Strategy.status) != StrategyStatus.PENDING)
        .group_by(col(Strategy.id), col(Strategy.slug), col(Strategy.retired_at))
    )
    rows = [
        (slug, first, retired.astimezone(EXCHANGE_ZONE).date() if retired else date.max)
        for slug, first, retired in db.execute(query).all()
    ]
    return pl.DataFrame(rows, schema={"strategy": pl.String, "first": pl.Date, "last": pl.Date}, orient="row")


def _lens(home: Home, _session: date) -> list[WatchdogProblem]:
    if lens_is_current(home):
        return []
    return [WatchdogProblem("stale lens", "lens", "the published lens is behind the ledger", Repair.PUBLISH)]


def _orphans(home: Home, _session: date) -> list[WatchdogProblem]:
    stale = _old_orphans(home)
    if not stale:
        return []
    text = f"{len(stale)} files of the lake were never committed, such as {stale[0].name}"
    return [WatchdogProblem("orphan files", "lake", text, Repair.SWEEP)]


def _old_orphans(home: Home) -> list[Path]:
    limit: datetime = wall_clock() - ORPHAN_AFTER
    return [path for path in home.lake.orphans() if path.stat().st_mtime < limit.timestamp()]
