"""Problems that the watchdog finds and reports, and the stages that repair them."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

KEY = "watchdog "


class Repair(StrEnum):
    """The stage that repairs a problem."""

    INGEST = "market-ingest"
    SETTLE = "settle"
    EVALUATE = "evaluate"
    PORTFOLIOS = "portfolio-signals"
    TRACK = "factor-tracking"
    PUBLISH = "publish"
    REPORT = "report"
    SWEEP = "sweep"
    SEAL = "attestation-retry"
    NONE = "none"


@dataclass(frozen=True)
class WatchdogProblem:
    """Problem found by the watchdog. A `warning` is reported only; any other fails the watchdog while it lasts."""

    kind: str
    subject: str
    text: str
    repair: Repair = Repair.NONE
    session: date | None = None
    warning: bool = False

    @property
    def key(self) -> str:
        """The key of its notification to the operator."""
        return f"{KEY}{self.kind} {self.subject}"


def stopped_problem(name: str, trouble: str) -> WatchdogProblem:
    """Make the problem of a source that stays stopped until an operator has looked."""
    text = f"source {name} has stopped: {trouble}; mend it, then `countersign source pause {name} --undo`"
    return WatchdogProblem("source stopped", name, text, warning=True)
