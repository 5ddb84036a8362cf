"""Stops of sealing: one notification says why, for every reason, and the first good round closes it.

The operator's open notification is the one place that says it: mail and hooks, `status`, the watchdog and /metrics all
read it. A sealer that stands by while another one seals is no stop.
"""

import logging
from collections.abc import Generator
from contextlib import contextmanager

from sqlmodel import Session, col, select

from countersign.models.errors import CountersignError, LeaseError
from countersign.models.tables.operations import Notification
from countersign.services.notifications.notifications import is_open, notify, resolve
from countersign.store.clock import wall_clock
from countersign.store.home import Home

# The lease of the process that seals.
LEASE = "seal"
STOPPED = "sealing stopped"

_log = logging.getLogger("sealer")


@contextmanager
def alerting(home: Home) -> Generator[None]:
    """Alert the operator of any error that ends this block, but for a lease that another process holds."""
    try:
        yield
    except LeaseError:
        raise
    except Exception as error:
        _notify(home, error)
        raise


def close_alert(home: Home) -> None:
    """Close the alert: a round has gone well."""
    with home.ledger.read() as db:
        if not is_open(db, STOPPED):
            return
    with home.ledger.write() as db:
        resolve(db, STOPPED, home.clock.now())


def why_stopped(db: Session) -> str:
    """Return the reason that stopped sealing, in the alert's words; "" while nothing does."""
    query = select(Notification.text).where(Notification.key == STOPPED, col(Notification.resolved_at).is_(None))
    return (db.exec(query).first() or "").removeprefix(f"{STOPPED}: ")


def _notify(home: Home, error: Exception) -> None:
    # An error that is none of ours may say anything: its words are for the log.
    words = str(error) if isinstance(error, CountersignError) else f"{type(error).__name__}; logs/sealer.log has more"
    try:
        now = home.clock.now()
    except CountersignError:  # the clock itself may be what is wrong
        now = wall_clock()
    try:
        with home.ledger.write() as db:
            notify(db, STOPPED, STOPPED, f"{STOPPED}: {words}", now)
    except Exception:
        # Of a ledger that is away nobody can be told in it; and the first error is the one to raise.
        _log.exception("the operator cannot be told")
