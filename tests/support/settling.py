"""Settling without Prefect, and the content of a home after it, byte for byte."""

import hashlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from sqlmodel import select

from countersign.models.datasets import MARKS, NAV, ORDERS, POSITIONS, SIGNALS
from countersign.models.tables.settlement import Settlement
from countersign.services.evaluation import evaluate
from countersign.services.settlement import settle as tasks
from countersign.store.home import Home

RESULTS = (SIGNALS, ORDERS, POSITIONS, NAV, MARKS)


def settle_session(home: Home, session: date) -> bool:
    """Settle one session by the tasks' own functions, one after the other; return whether it was news."""
    plan = tasks.plan_session(home, session)
    assert isinstance(plan, tasks.Plan), plan
    chunks = [tasks.settle_chunk(home, plan, n) for n in plan.chunks]
    return tasks.commit_session(home, plan, chunks)


def settle_due(home: Home, through: date) -> int:
    """Settle the due sessions; return how many there were."""
    due = tasks.find_due_sessions(home, through)
    for session in due:
        settle_session(home, session)
    return len(due)


def evaluate_due(home: Home, through: date) -> int:
    """Evaluate the waiting sessions in one pass; return how many there were."""
    due = evaluate.find_unevaluated(home, through)
    return len(evaluate.evaluate_sessions(home, due)) if due else 0


def settle_in_a_process(path: Path, url: str, session: date, per_chunk: int) -> None:
    """Settle one session in a process of its own."""
    tasks.STRATEGIES_PER_CHUNK = per_chunk
    settle_session(Home(path, url, path / "lake"), session)


def results(home: Home) -> Mapping[str, str]:
    """Return the SHA-256 of every file of results as it is on disk, by path, and of every manifest, by session."""
    held = {
        file.path: hashlib.sha256((home.lake_path / file.path).read_bytes()).hexdigest()
        for dataset in RESULTS
        for file in home.lake.files(dataset)
    }
    with home.ledger.read() as db:
        rows = db.exec(select(Settlement)).all()
    assert len({row.session for row in rows}) == len(rows)
    return held | {row.session.isoformat(): row.manifest_sha256 for row in rows}
