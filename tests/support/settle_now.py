"""Run the settlement flow in this process; before it commits the second session it leaves the file GATE and waits.

It goes on when there is a file `go` beside GATE.
"""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from countersign.flows import settlement
from countersign.models.datasets import NAV
from countersign.services.settlement.settle import Chunk, Plan, commit_session


def gated(home: Any, plan: Plan, chunks: Sequence[Chunk]) -> bool:
    """Commit, but stop at the gate once."""
    gate = Path(os.environ["GATE"])
    if home.lake.sessions(NAV) and not gate.exists():
        gate.touch()
        while not (gate.parent / "go").exists():
            threading.Event().wait(0.05)
    return commit_session(home, plan, chunks)


if __name__ == "__main__":
    settlement.commit_session = gated  # type: ignore[assignment]
    settlement.settle_all_active_strategies()
