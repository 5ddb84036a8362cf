"""The watchdog's look at sealing: what is not sealed, not disclosed, not pushed or not stamped, and what cannot be.

Whatever waits for less than `GRACE` is still the sealer's own business.
"""

from collections.abc import Callable
from datetime import date, timedelta

import sqlalchemy as sa
from sqlmodel import col, func, select

from domain.attestation import authority_name
from models.attestation import Disclosure, JournalCommit, Seal, Timestamp
from models.errors import StoreError
from models.settlement import Settlement
from models.signals import Signal
from store.home import Home
from store.remote import remote_head
from store.sealing import TIMESTAMPS
from store.signing import load_key
from tasks.problems import Problem, Repair

GRACE = timedelta(minutes=10)


def _key(home: Home, _session: date) -> list[Problem]:
    try:
        load_key(home.journal.keys)
    except StoreError as error:
        return [Problem("signing key", "journal", str(error))]
    return []


def _unsealed(home: Home, _session: date) -> list[Problem]:
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
        Problem("unsealed signals", f"{day}", f"{day}: {count} signals are not sealed", Repair.SEAL, day)
        for day, count in rows
    ]


def _undisclosed(home: Home, _session: date) -> list[Problem]:
    query = (
        select(col(Settlement.session))
        .outerjoin(Disclosure, col(Disclosure.settlement_id) == col(Settlement.id))
        .where(col(Disclosure.settlement_id).is_(None), Settlement.settled_at <= home.clock.now() - GRACE)
        .order_by(col(Settlement.session))
    )
    with home.ledger.read() as db:
        days = list(db.exec(query))
    return [
        Problem("undisclosed session", f"{day}", f"{day} is settled and not revealed", Repair.SEAL, day) for day in days
    ]


def _lost(home: Home, _session: date) -> list[Problem]:
    """Look for the newest commit that the ledger knows: a journal restored from an old copy does not have it."""
    newest = select(JournalCommit.sha).join(Seal, col(Seal.commit_sha) == col(JournalCommit.sha))
    with home.ledger.read() as db:
        sha = db.exec(newest.order_by(col(Seal.signal_id).desc()).limit(1)).first()
    if sha is None or home.journal.has(sha):
        return []
    text = f"the journal lacks commit {sha}, which the ledger knows: restore it from a clone"
    return [Problem("journal behind", "journal", text)]


def _unpushed(home: Home, _session: date) -> list[Problem]:
    if not home.journal_remote:
        return []
    old = col(JournalCommit.committed_at) <= home.clock.now() - GRACE
    with home.ledger.read() as db:
        query = select(func.count()).where(col(JournalCommit.pushed_at).is_(None), old)
        waiting = db.exec(query.select_from(JournalCommit)).one()
    if not waiting:
        return []
    return [Problem("unpushed commits", "journal", f"{waiting} commits of the journal are not pushed", Repair.SEAL)]


def _diverged(home: Home, _session: date) -> list[Problem]:
    """Ask the remote what it has. Never repaired by force: somebody has to look."""
    if not home.journal_remote:
        return []
    try:
        theirs = remote_head(home)
    except StoreError as error:
        return [Problem("remote out of reach", "journal", str(error), warning=True)]
    if theirs is None or home.journal.has(theirs):
        return []
    return [
        Problem("remote diverged", "journal", f"the journal's remote is at {theirs}, which is not one of our commits")
    ]


def _unstamped(home: Home, _session: date) -> list[Problem]:
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
            problems.append(Problem("missing timestamps", authority, text, Repair.SEAL, warning=True))
    return problems


ATTESTATION_CHECKS: tuple[Callable[[Home, date], list[Problem]], ...] = (
    _key,
    _unsealed,
    _undisclosed,
    _lost,
    _unpushed,
    _diverged,
    _unstamped,
)
