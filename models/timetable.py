"""The timetable: the one table of stages with their times. Deployments schedule it, the watchdog enforces it."""

from dataclasses import dataclass
from datetime import time

ZONE = "Asia/Shanghai"
# The stage that does the work of every other that was missed.
WATCHDOG = "watchdog"
# Flows that no slot starts: they are run by hand, or as a step of another.
OTHER_FLOWS = ("factor_revalidation", "publish", "replay", "correct_settlement")


@dataclass(frozen=True)
class Slot:
    """One stage's place in the day: `flow` is `module:function`, times are wall-clock times in `ZONE`.

    An hourly one runs at that minute of every hour, on every day; the others have a purpose on sessions alone. The
    output of a stage with a `deadline` is worth nothing from then on.
    """

    stage: str
    name: str
    flow: str
    at: time
    late_after: time
    hourly: bool = False
    deadline: time | None = None

    @property
    def entrypoint(self) -> str:
        """The flow as Prefect names it: by module, so that the root is on the import path and not the file's folder."""
        return self.flow.replace(":", ".")

    @property
    def cron(self) -> str:
        """The schedule as cron. Every day: the flows know which days are sessions, and an override may add any."""
        return f"{self.at.minute} {'*' if self.hourly else self.at.hour} * * *"


TIMETABLE = (
    Slot(
        "portfolio-signals",
        "portfolio_signal_generation",
        "countersign.flows.portfolios:portfolio_signal_generation",
        time(9, 0),
        time(9, 5),
        deadline=time(9, 15),
    ),
    # The poller asks the feeds every few minutes; this stage shows new signals, and polls where no poller runs.
    Slot(
        "poll",
        "poll_external_signals",
        "countersign.flows.polling:poll_external_signals",
        time(0, 20),
        time(0, 40),
        hourly=True,
    ),
    Slot(
        "outcomes",
        "signal_outcomes",
        "countersign.flows.outcomes:signal_outcomes",
        time(0, 25),
        time(0, 45),
        hourly=True,
    ),
    Slot(
        "attestation-retry",
        "attestation_retry",
        "countersign.flows.attestation:attestation_retry",
        time(9, 10),
        time(9, 15),
        deadline=time(9, 15),
    ),
    Slot(
        "attestation-retry-close",
        "attestation_retry",
        "countersign.flows.attestation:attestation_retry",
        time(14, 55),
        time(15, 0),
        deadline=time(15, 0),
    ),
    Slot(
        "market-ingest", "market_data_ingest", "countersign.flows.market:market_data_ingest", time(17, 30), time(18, 10)
    ),
    Slot(
        "settle",
        "settle_all_active_strategies",
        "countersign.flows.settlement:settle_all_active_strategies",
        time(18, 15),
        time(18, 40),
    ),
    Slot("evaluate", "daily_evaluation", "countersign.flows.evaluation:daily_evaluation", time(18, 30), time(18, 45)),
    Slot(
        "factor-tracking",
        "factor_os_tracking",
        "countersign.flows.factors:factor_os_tracking",
        time(18, 40),
        time(18, 55),
    ),
    Slot(WATCHDOG, "settlement_watchdog", "countersign.flows.watchdog:settlement_watchdog", time(18, 45), time(19, 15)),
)
