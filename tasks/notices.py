"""Notification rounds: write the new notifications, then send the letters that are due.

The sealer's process runs them, outside of every request and of settlement. No task of Prefect's, as it runs every few
seconds.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from domain.addresses import Target, parse_address
from models.errors import CountersignError, StoreError
from sources.notices import send
from store.addresses import (
    GIVE_UP_AFTER,
    Letter,
    due_letters,
    expectant,
    is_queue_waiting,
    keep_operator_addresses,
    mark_failed,
    mark_sent,
    queue,
)
from store.home import Home
from store.inbox import catch_up
from store.reminders import remind

# At once; one that hangs keeps the others waiting for as long as sending may take, and no longer.
SENDERS = 8
_log = logging.getLogger("notices")


@dataclass(frozen=True)
class Round:
    """Counts of one round: notifications written, and letters that arrived or did not."""

    told: int = 0
    sent: int = 0
    failed: int = 0


def tell_round(home: Home, now: datetime, *, private: bool = False) -> Round:
    """Write notifications, queue new ones, and send letters due at `now` (wall clock: pauses are real time).

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
        letters = due_letters(db, now)
    outcomes = deliver(home, letters, now, private=private) if letters else []
    return Round(told, sum(outcomes), len(outcomes) - sum(outcomes))


def keep_operators(home: Home, urls: Sequence[str], now: datetime) -> None:
    """Send the operator's own notices to these addresses and no others; InputError for one that is not allowed."""
    targets: list[Target] = [parse_address(url, private=True) for url in urls]
    with home.ledger.write() as db:
        keep_operator_addresses(db, [target.url for target in targets], now)


def deliver(home: Home, letters: Sequence[Letter], now: datetime, *, private: bool) -> list[bool]:
    """Send letters, some at once; return which arrived. Each is accounted for as soon as it is sent."""

    def one(letter: Letter) -> bool:
        title, body = write_letter(letter)
        try:
            send(letter.url, title, body, private=private or letter.trusted)
        except CountersignError as error:
            with home.ledger.write() as db:
                given_up = mark_failed(db, letter, now)
            _log.warning("address %d: %s; %d notifications given up", letter.address_id, error, given_up)
            return False
        with home.ledger.write() as db:
            mark_sent(db, letter, now)
        return True

    with ThreadPoolExecutor(min(SENDERS, len(letters)), "notices") as pool:
        return list(pool.map(one, letters))


def write_letter(letter: Letter) -> tuple[str, str]:
    """Write title and text; each line ends in its notification's number, by which a repetition is known."""
    count = len(letter.lines)
    title = "Countersign" if count == 1 else f"Countersign: {count} notifications"
    return title, "\n".join(f"{line.text} (#{line.notification_id})" for line in letter.lines)
