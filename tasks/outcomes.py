"""Outcomes task: judges every external signal that is not finally decided, by the klines that the lake has."""

from datetime import datetime

from countersign.services.external import judge as service
from countersign.services.external.judge import Judged
from countersign.store.home import Home
from countersign.tasks.stage import stage_task


@stage_task()
def judge_signals(home: Home, now: datetime) -> list[Judged]:
    """Judge undecided signals, a market (an exchange's pair) at a time. Signals without klines of theirs wait."""
    return service.judge_signals(home, now)
