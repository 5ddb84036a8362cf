"""Loop that sends notifications to users and the operator; a thread of the sealer's process, `sealer.py`."""

import logging
import threading

from countersign.services.notifications.delivery import Round, keep_operators, notify_round
from countersign.settings import Settings
from countersign.store.clock import wall_clock
from countersign.store.home import Home
from countersign.store.ledger.leases import lease

LEASE = "notices"
POLL_SECONDS = 10.0

_log = logging.getLogger("notices")


def keep_notifying(home: Home, settings: Settings, stop: threading.Event, poll_seconds: float = POLL_SECONDS) -> None:
    """Send notifications until `stop` is set. LeaseError while another process does."""
    with lease(home.ledger, LEASE):
        urls = [url.get_secret_value() for url in settings.operator_addresses]
        keep_operators(home, urls, wall_clock())
        while not stop.is_set():
            done = notify_round(home, wall_clock(), private=settings.private_addresses)
            if done != Round():
                _log.info("told %d, sent %d, failed %d", done.told, done.sent, done.failed)
            stop.wait(poll_seconds)
