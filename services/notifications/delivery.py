"""Notification rounds: write the new notifications, then send the messages that are due.

The sealer's process runs them, outside of every request and of settlement. No task of Prefect's, as it runs every few
seconds.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from countersign.domain.notifications.addresses import Target, parse_address
from countersign.models.errors import CountersignError, StoreError
from countersign.services.notifications.addresses import (
    GIVE_UP_AFTER,
    Message,
    due_messages,
    expectant,
    is_queue_waiting,
    keep_operator_addresses,
    mark_failed,
    mark_sent,
    queue,
)
from countersign.services.notifications.inbox import catch_up
from countersign.services.notifications.reminders import remind
from countersign.sources.notifications import send
from countersign.store.home import Home

# At once; one that hangs keeps the others waiting for as long as sending may take, and no longer.
SENDERS = 8
_log = logging.getLogger("notices")


@dataclass(frozen=True)
class Round:
    """Counts of one round: notifications written, and messages that arrived or did not."""

    told: int = 0
    sent: int = 0
    failed: int = 0


def notify_round(home: Home, now: datetime, *, private: bool = False) -> Round:
    """Write notifications, queue new ones, and send messages due at `now` (wall clock: pauses are real time).

    Reminders and sessions go by the home's own clock. An address that fails stops no other.
    """
    told = remind(home, home.clock.now())
    with home.ledger.read() as db:
        users = expectant(db)
    try:
        told += catch_up(home, users)
    except StoreError as error:  # a damaged file of the lake; the rest need not wait for its repair
        _log.warning("settled sessions are not told yet: %s", error)
    with home.ledger.read() as db:
        fresh = is_queue_waiting(db)
    if fresh:
        with home.ledger.write() as db:
            queue(db, now, home.clock.now() - GIVE_UP_AFTER)
    with home.ledger.read() as db:
        messages = due_messages(db, now)
    outcomes = deliver(home, messages, now, private=private) if messages else []
    return Round(told, sum(outcomes), len(outcomes) - sum(outcomes))


def keep_operators(home: Home, urls: Sequence[str], now: datetime) -> None:
    """Send the operator's own notices to these addresses and no others; InputError for one that is not allowed."""
    targets: list[Target] = [parse_address(url, private=True) for url in urls]
    with home.ledger.write() as db:
        keep_operator_addresses(db, [target.url for target in targets], now)


def deliver(home: Home, messages: Sequence[Message], now: datetime, *, private: bool) -> list[bool]:
    """Send messages, some at once; return which arrived. Each is accounted for as soon as it is sent."""

    def one(message: Message) -> bool:
        title, body = write_message(message)
        try:
            send(message.url, title, body, private=private or message.trusted)
        except CountersignError as error:
            with home.ledger.write() as db:
                given_up = mark_failed(db, message, now)
            _log.warning("address %d: %s; %d notifications given up", message.address_id, error, given_up)
            return False
        with home.ledger.write() as db:
            mark_sent(db, message, now)
        return True

    with ThreadPoolExecutor(min(SENDERS, len(messages)), "notices") as pool:
        return list(pool.map(one, messages))


def write_message(message: Message) -> tuple[str, str]:
    """Write title and text; each line ends in its notification's number, by which a repetition is known."""
    count = len(message.lines)
    title = "Countersign" if count == 1 else f"Countersign: {count} notifications"
    return title, "\n".join(f"{line.text} (#{line.notification_id})" for line in message.lines)
