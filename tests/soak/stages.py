"""The stages of an evening as a process of their own, without Prefect, which takes seconds to start.

    python -m tests.soak.stages STAGE HOME SESSION MARKET

They call what the flows call, in the flows' order and under the flows' leases. Exit code 0: the stage is done.
"""

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

from countersign.flows.evaluation import LEASE as EVALUATING
from countersign.flows.settlement import LEASE as SETTLING
from countersign.flows.settlement import settle_in_order
from countersign.models.errors import HeldError
from countersign.services.attestation.seal_and_push import seal
from countersign.services.evaluation.evaluate import evaluate_sessions, find_unevaluated
from countersign.services.market.imports import import_bars, import_index
from countersign.services.publication.publish import publish
from countersign.services.settlement.settle import find_due_sessions
from countersign.settings import open_home
from countersign.store.home import Home
from countersign.store.ledger.leases import lease


def ingest(home: Home, session: date | str, market: Path) -> None:
    """Import the bars and index levels of a session."""
    import_bars(home, market / f"bars-{session}.parquet", home.clock.now())
    import_index(home, market / f"levels-{session}.parquet", home.clock.now())


def settle(home: Home, session: date, _market: Path) -> None:
    """Settle the waiting sessions, disclose them, and publish. HeldError if the quality gate holds a session."""
    with lease(home.ledger, SETTLING):
        due = find_due_sessions(home, session)
        for outcome in settle_in_order(home, due, as_tasks=False):
            if outcome.held:
                raise HeldError(f"{outcome.session} is held: {'; '.join(outcome.held)}")
    seal(home)
    publish(home)


def evaluate(home: Home, session: date, _market: Path) -> None:
    """Evaluate the waiting sessions, and publish."""
    with lease(home.ledger, EVALUATING):
        due = find_unevaluated(home, session)
        if due:
            evaluate_sessions(home, due)
    publish(home)


STAGES: dict[str, Callable[[Home, date, Path], None]] = {"ingest": ingest, "settle": settle, "evaluate": evaluate}


if __name__ == "__main__":
    stage, folder, day, files = sys.argv[1:]
    STAGES[stage](open_home(Path(folder)), date.fromisoformat(day), Path(files))
