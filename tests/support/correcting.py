"""Correcting without Prefect, and bars that change after they were settled."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from sqlmodel import select

from countersign.models.datasets import BARS, EVALUATIONS, INDEX_LEVELS
from countersign.models.enums import NoticeKind
from countersign.models.tables.operations import AuditEntry, Notification
from countersign.models.tables.settlement import Settlement
from countersign.services.settlement import correct
from countersign.services.settlement import settle as tasks
from countersign.services.settlement.corrections import ACTION
from countersign.store.home import Home
from tests.support.settling import RESULTS, settle_session
from tests.support.trading import put_market, trading


def change_bars(home: Home, session: date, factor: float = 1.01) -> None:
    """Let a session's bars be others from now on: every price by a factor."""
    bars = trading().market.bars.filter(pl.col("session") == session)
    put_market(home, bars.with_columns(pl.col("open", "high", "low", "close") * factor), no_levels())


def change_levels(home: Home, session: date) -> None:
    """Let a session's index levels be others from now on."""
    levels = trading().market.index_levels.filter(pl.col("session") == session)
    put_market(home, trading().market.bars.head(0), levels.with_columns(pl.col("close") * 1.02))


def no_levels() -> pl.DataFrame:
    return trading().market.index_levels.head(0)


def correct_session(home: Home, session: date, stop_after: int = 100) -> tuple[str, ...]:
    """Correct one session by the tasks' own functions; return the changed inputs. `stop_after` cuts it short."""
    for waiting in correct.find_changes(home, session).waiting:
        settle_session(home, waiting)
    found = correct.find_changes(home, session)
    if found.changed:
        plan = tasks.plan_session(home, session, correct=True)
        assert isinstance(plan, tasks.Plan), plan
        tasks.commit_session(home, plan, [tasks.settle_chunk(home, plan, n) for n in plan.chunks])
        for later in found.later[: stop_after - 1]:
            settle_session(home, later)
    return found.changed


def correct_in_a_process(path: Path, url: str, session: date, per_chunk: int) -> None:
    """Correct one session in a process of its own."""
    tasks.STRATEGIES_PER_CHUNK = per_chunk
    correct_session(Home(path, url, path / "lake", "simulated"), session)


def versions(home: Home) -> dict[date, list[int]]:
    with home.ledger.read() as db:
        rows = db.exec(select(Settlement).order_by("session", "version")).all()
    found: dict[date, list[int]] = {}
    for row in rows:
        found.setdefault(row.session, []).append(row.version)
    return found


def values(home: Home) -> dict[tuple[str, date], pl.DataFrame]:
    """Every frame that counts, by dataset and session, whatever the names of its files."""
    return {
        (dataset.name, day): home.lake.read(dataset, day)
        for dataset in (BARS, INDEX_LEVELS, *RESULTS, EVALUATIONS)
        for day in trading().sessions
    }


def told(home: Home) -> dict[str, Any]:
    """Rows of the ledger after a correction: every version by its hash, the audit log's words, notifications."""
    with home.ledger.read() as db:
        return {
            "versions": [
                (row.session, row.version, row.manifest_sha256)
                for row in db.exec(select(Settlement).order_by("session", "version"))
            ],
            "audit": sorted(
                (row.subject, row.detail) for row in db.exec(select(AuditEntry).where(AuditEntry.action == ACTION))
            ),
            "owners": sorted(
                (row.key, row.user_id, row.text)
                for row in db.exec(select(Notification).where(Notification.kind == NoticeKind.CORRECTED))
            ),
            "files": sorted(file.path for dataset in RESULTS for file in home.lake.files(dataset)),
        }
