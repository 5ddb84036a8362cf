"""Settlement tasks: plan a session, settle chunks of strategies, commit the whole session at once."""

from collections.abc import Sequence
from datetime import date

from countersign.services.settlement import settle as service
from countersign.services.settlement.settle import Chunk, OnHold, Plan
from countersign.store.home import Home
from countersign.tasks.stage import stage_task


@stage_task()
def find_due_sessions(home: Home, through: date) -> list[date]:
    """List the sessions up to `through` that wait to be settled, oldest first."""
    return service.find_due_sessions(home, through)


@stage_task()
def plan_session(home: Home, session: date, *, correct: bool = False) -> Plan | OnHold:
    """Decide whether a session can be settled, and name all inputs."""
    return service.plan_session(home, session, correct=correct)


@stage_task(task_run_name="settle {plan.session} chunk {n}")
def settle_chunk(home: Home, plan: Plan, n: int) -> Chunk:
    """Settle the strategies of one chunk and stage the files; nothing counts before `commit_session`."""
    return service.settle_chunk(home, plan, n)


@stage_task()
def commit_session(home: Home, plan: Plan, chunks: Sequence[Chunk]) -> bool:
    """Make a session's results count, all at once; return whether it was new."""
    return service.commit_session(home, plan, chunks)
