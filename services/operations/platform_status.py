"""Standing of the platform, from the ledger: stages that are late, and signals and sessions that wait.

A stage's work is seen in its results, so that a replay or a run by hand counts like a scheduled one. A stage without
results is held to its newest finished run.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlmodel import Session, col, func, select

from countersign.domain.sessions import EXCHANGE_ZONE, Sessions, at
from countersign.models.datasets import BARS
from countersign.models.tables.attestation import JournalCommit, Seal
from countersign.models.tables.lake import LakeFile
from countersign.models.tables.operations import StageRun
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.signals import Signal
from countersign.models.timetable import TIMETABLE, Slot
from countersign.services.attestation.agreement import Agreement, read_agreement
from countersign.services.portfolios.signals import unanswered
from countersign.services.settlement.settled import due_sessions, settled_through
from countersign.services.signals.submission import first_session
from countersign.store.home import Home
from countersign.store.lake.digests import checked_through


@dataclass(frozen=True)
class StageStatus:
    """A stage of the timetable: the session that it is due for, its lag in seconds, and whether it is late."""

    stage: str
    session: date | None
    done: bool
    late: bool
    lag_seconds: float
    last_run: datetime | None
    failed: bool


@dataclass(frozen=True)
class PlatformStatus:
    """Standing at one moment. `settle_seconds` is of the session settled last; sessions wait from the oldest on."""

    now: datetime
    stages: tuple[StageStatus, ...]
    unsealed: int
    unpushed: int
    waiting: tuple[date, ...]
    settled_through: date | None
    settle_seconds: float | None
    attestation: Agreement
    free_bytes: int
    digests_checked_through: datetime | None


def read_platform_status(home: Home, now: datetime) -> PlatformStatus:
    """Read the standing from the ledger; cheap enough for a scrape every few seconds."""
    newest = home.sessions.newest_closed(now)
    with home.ledger.read() as db:
        runs = {run.stage: run for run in db.exec(select(StageRun))}
        began = first_session(db)
        stages = tuple(_stage(db, home, slot, began, runs.get(slot.stage), now) for slot in TIMETABLE)
        settled = db.exec(select(Settlement).order_by(col(Settlement.id).desc()).limit(1)).first()
        return PlatformStatus(
            now=now,
            stages=stages,
            unsealed=_unsealed(db),
            unpushed=_unpushed(db) if home.journal_remote else 0,
            waiting=tuple(due_sessions(db, home.sessions, newest)),
            settled_through=settled_through(db),
            settle_seconds=settled.seconds if settled else None,
            attestation=read_agreement(home, db),
            free_bytes=free_bytes(home),
            digests_checked_through=checked_through(db),
        )


def free_bytes(home: Home) -> int:
    """Return how many bytes are free on the fullest of the disks that hold home and lake."""
    return min(shutil.disk_usage(folder).free for folder in (home.path, home.lake_path))


def _stage(db: Session, home: Home, slot: Slot, began: date | None, run: StageRun | None, now: datetime) -> StageStatus:
    last, failed = (run.finished_at, run.failed) if run else (None, False)
    session = _newest(home.sessions, slot.at, now)
    if session is None or began is None or session < began:  # there is nothing to be done yet
        return StageStatus(slot.stage, None, True, False, 0.0, last, failed)
    due = at(session, slot.at)
    look = LEFT_BEHIND.get(slot.stage)
    if look is not None:
        done = look(db, session, due)
    else:
        # Under a simulated clock nothing runs by the timetable.
        done = home.clock.simulated or (last is not None and last >= due and not failed)
    late = not done and now > at(session, slot.late_after)
    return StageStatus(slot.stage, session, done, late, 0.0 if done else (now - due).total_seconds(), last, failed)


def note_run(home: Home, stage: str, *, failed: bool) -> None:
    """Note in the ledger that a stage ended now, and how."""
    with home.ledger.write() as db:
        db.merge(StageRun(stage=stage, finished_at=home.clock.now(), failed=failed))


def overdue_through(sessions: Sessions, now: datetime) -> date:
    """Return the newest session that should be settled by now, which the watchdog checks through."""
    settle = next(slot for slot in TIMETABLE if slot.stage == "settle")
    return _newest(sessions, settle.late_after, now) or sessions.days[0]


def _newest(sessions: Sessions, wall_time: time, now: datetime) -> date | None:
    """Return the newest session on which this time of the day has come."""
    today = now.astimezone(EXCHANGE_ZONE).date()
    days = sessions.between(today - timedelta(days=40), today)
    return next((day for day in reversed(days) if at(day, wall_time) <= now), None)


def _is_sealed(db: Session, _session: date, due: datetime) -> bool:
    """Whether all signals received before the stage began are sealed."""
    waiting = (col(Signal.id) > _newest_claim(db)) & (col(Signal.received_at) < due)
    if db.exec(select(Signal.id).where(waiting).limit(1)).first() is not None:
        return False
    claimed = select(Seal.signal_id).where(col(Seal.commit_sha).is_(None))
    return db.exec(claimed.limit(1)).first() is None


def _has_bars(db: Session, session: date, _due: datetime) -> bool:
    bars = select(LakeFile.id).where(LakeFile.dataset == BARS.name, LakeFile.session == session)
    return db.exec(bars.where(col(LakeFile.superseded_at).is_(None)).limit(1)).first() is not None


def _is_settled(db: Session, session: date, _due: datetime) -> bool:
    return (settled_through(db) or date.min) >= session


def _has_portfolio_signals(db: Session, session: date, due: datetime) -> bool:
    return not unanswered(db, session, due)


LEFT_BEHIND: dict[str, Callable[[Session, date, datetime], bool]] = {
    "portfolio-signals": _has_portfolio_signals,
    "attestation-retry": _is_sealed,
    "attestation-retry-close": _is_sealed,
    "market-ingest": _has_bars,
    "settle": _is_settled,
}


def _unsealed(db: Session) -> int:
    waiting = select(func.count()).where(col(Signal.id) > _newest_claim(db)).select_from(Signal)
    claimed = select(func.count()).where(col(Seal.commit_sha).is_(None)).select_from(Seal)
    return db.exec(waiting).one() + db.exec(claimed).one()


def _newest_claim(db: Session) -> int:
    return db.exec(select(func.max(Seal.signal_id))).one() or 0


def _unpushed(db: Session) -> int:
    return db.exec(select(func.count()).where(col(JournalCommit.pushed_at).is_(None)).select_from(JournalCommit)).one()
