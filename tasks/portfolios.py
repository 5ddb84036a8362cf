"""Portfolio tasks: the day's signal of every active multi-factor portfolio, on the path that researchers use."""

from datetime import date, datetime

from countersign.services.portfolios import make_signals as service
from countersign.services.portfolios.make_signals import Made
from countersign.store.home import Home
from countersign.tasks.stage import stage_task


@stage_task()
def make_signals(home: Home, session: date, now: datetime) -> list[Made]:
    """Make and submit the signals of all active portfolios for a session at `now`; notify owners without one."""
    return service.make_signals(home, session, now)
