"""Evaluation tasks: the sessions that wait, evaluating a batch of them in one pass, and the ranking."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from countersign.services.evaluation import evaluate as service
from countersign.services.evaluation.evaluate import Evaluated
from countersign.store.home import Home
from countersign.tasks.stage import stage_task


@stage_task()
def find_unevaluated(home: Home, through: date) -> list[date]:
    """List the settled sessions up to `through` to evaluate, oldest first: the first that waits and all later ones."""
    return service.find_unevaluated(home, through)


@stage_task()
def evaluate_sessions(home: Home, sessions: Sequence[date]) -> list[Evaluated]:
    """Evaluate settled sessions, neighbours in order, in one pass; each is committed by itself."""
    return service.evaluate_sessions(home, sessions)


@stage_task()
def rank(home: Home, session: date) -> list[dict[str, Any]]:
    """List the best and the worst by score as of an evaluated session, and the changes since the one before."""
    return service.rank(home, session)


@stage_task()
def count_scores(home: Home, session: date) -> list[int]:
    """Count the strategies by score as of an evaluated session, in steps of ten points; 100 is among the last."""
    return service.count_scores(home, session)
