"""Attestation checks of the watchdog: records not sealed, disclosed, pushed or stamped, and those that cannot be.

A record that waits for less than `GRACE` is left to the sealer.
"""

from collections.abc import Callable
from datetime import date, timedelta

import sqlalchemy as sa
from sqlmodel import col, func, select

from countersign.domain.attestation.records import authority_name
from countersign.models.errors import StoreError
from countersign.models.problems import Repair, WatchdogProblem
from countersign.models.tables.attestation import (
    TIMESTAMPS,
    Disclosure,
    JournalCommit,
    JournalConflict,
    Seal,
    Timestamp,
)
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.signals import Signal
from countersign.services.attestation.agreement import read_agreement
from countersign.services.attestation.reconciliation.reconcile import inspect
from countersign.services.attestation.remote import remote_head
from countersign.services.attestation.stops import STOPPED, why_stopped
from countersign.store.home import Home
from countersign.store.journal.signing import load_key
from countersign.store.ledger.facts import REMOTE_HEAD, read_fact

GRACE = timedelta(minutes=10)


def _key(home: Home, _session: date) -> list[WatchdogProblem]:
    try:
        load_key(home.journal.keys)
    except StoreError as error:
        return [WatchdogProblem("signing key", "journal", str(error))]
    return []


def _unsealed(home: Home, _session: date) -> list[WatchdogProblem]:
    """Count signals past their deadline that are in no commit."""
    # Signals are claimed in order, so neither half looks through all that are sealed.
    newest = sa.select(func.coalesce(func.max(col(Seal.signal_id)), 0)).scalar_subquery()
    claimed = sa.select(col(Seal.signal_id)).where(col(Seal.commit_sha).is_(None))
    query = (
        sa.select(col(Signal.session), func.count())
        .where(sa.or_(col(Signal.id) > newest, col(Signal.id).in_(claimed)), col(Signal.deadline) <= home.clock.now())
        .group_by(col(Signal.session))
        .order_by(col(Signal.session))
    )
    with home.ledger.read() as db:
        rows = db.execute(query).all()
    return [
        WatchdogProblem("unsealed signals", f"{day}", f"{day}: {count} signals are not sealed", Repair.SEAL, day)
        for day, count in rows
    ]


def _undisclosed(home: Home, _session: date) -> list[WatchdogProblem]:
    query = (
        select(col(Settlement.session))
        .outerjoin(Disclosure, col(Disclosure.settlement_id) == col(Settlement.id))
        .where(col(Disclosure.settlement_id).is_(None), Settlement.settled_at <= home.clock.now() - GRACE)
        .order_by(col(Settlement.session))
    )
    with home.ledger.read() as db:
        days = list(db.exec(query))
    return [
        WatchdogProblem("undisclosed session", f"{day}", f"{day} is settled and not revealed", Repair.SEAL, day)
        for day in days
    ]


def _stopped(home: Home, _session: date) -> list[WatchdogProblem]:
    """Report the error that stopped the sealer, or the fault of the journal that would stop it, with its command."""
    with home.ledger.read() as db:
        stopped = why_stopped(db) or inspect(home, db)[1]
    return [WatchdogProblem(STOPPED, "journal", stopped)] if stopped else []


def _set_aside(home: Home, _session: date) -> list[WatchdogProblem]:
    with home.ledger.read() as db:
        paths = list(db.exec(select(JournalConflict.path).order_by(JournalConflict.path)))
    text = "is in the journal with other bytes; set aside, and everything else is sealed"
    return [WatchdogProblem("journal conflict", path, f"{path} {text}") for path in paths]


def _sealer(home: Home, _session: date) -> list[WatchdogProblem]:
    """Report a sealer that is gone, or hangs. No problem for a home that never had one."""
    with home.ledger.read() as db:
        found = read_agreement(home, db)
    if found.sealer_alive or found.sealer_seen_at is None or home.clock.simulated:
        return []
    text = f"no sealer is at work; its last round was at {found.sealer_seen_at:%F %T} UTC"
    return [WatchdogProblem("sealer", "journal", text, warning=True)]


def _unpushed(home: Home, _session: date) -> list[WatchdogProblem]:
    if not home.journal_remote:
        return []
    old = col(JournalCommit.committed_at) <= home.clock.now() - GRACE
    with home.ledger.read() as db:
        query = select(func.count()).where(col(JournalCommit.pushed_at).is_(None), old)
        waiting = db.exec(query.select_from(JournalCommit)).one()
    if not waiting:
        return []
    return [
        WatchdogProblem("unpushed commits", "journal", f"{waiting} commits of the journal are not pushed", Repair.SEAL)
    ]


def _diverged(home: Home, _session: date) -> list[WatchdogProblem]:
    """Ask the remote for its commits. Never repaired by force: the operator has to look."""
    if not home.journal_remote:
        return []
    try:
        theirs = remote_head(home)
    except StoreError as error:
        return [WatchdogProblem("remote out of reach", "journal", str(error), warning=True)]
    if theirs is not None and not home.journal.has(theirs):
        text = f"the journal's remote is at {theirs}, which is not one of our commits"
        return [WatchdogProblem("remote diverged", "journal", text)]
    with home.ledger.read() as db:
        left = read_fact(db, REMOTE_HEAD)
    if left is None or theirs == left or (theirs and home.journal.has(left, theirs)):
        return []
    where = f"was moved back to {theirs}" if theirs else "was emptied"
    return [
        WatchdogProblem("remote moved back", "journal", f"the journal's remote {where}; it had {left}", Repair.SEAL)
    ]


def _unstamped(home: Home, _session: date) -> list[WatchdogProblem]:
    problems = []
    for url in home.timestamp_authorities:
        authority = authority_name(url)
        stamped = sa.select(col(Timestamp.commit_sha)).where(col(Timestamp.authority) == authority)
        old = col(JournalCommit.committed_at) <= home.clock.now() - GRACE
        query = select(func.count()).where(
            col(JournalCommit.sha).not_in(stamped), JournalCommit.kind != TIMESTAMPS, old
        )
        with home.ledger.read() as db:
            missing = db.exec(query.select_from(JournalCommit)).one()
        if missing:
            text = f"{missing} commits have no token of {authority}"
            problems.append(WatchdogProblem("missing timestamps", authority, text, Repair.SEAL, warning=True))
    return problems


ATTESTATION_CHECKS: tuple[Callable[[Home, date], list[WatchdogProblem]], ...] = (
    _key,
    _unsealed,
    _undisclosed,
    _stopped,
    _set_aside,
    _sealer,
    _unpushed,
    _diverged,
    _unstamped,
)
