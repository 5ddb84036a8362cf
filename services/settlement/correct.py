"""Correction: compare a settled session's market with the current one, and describe corrections.

The settling itself is `services.settlement.settle`'s: a correction is a settlement of the same session in a new
version.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

from countersign.models.errors import InputError
from countersign.services.settlement.corrections import changed_sessions, corrections_of
from countersign.services.settlement.settled import due_sessions, settled_through, settlement_of
from countersign.store.home import Home


@dataclass(frozen=True)
class CorrectionStatus:
    """Correction to make: the changes of a session's market, in words, and the sessions that rest on it.

    `waiting` are those that an earlier correction, cut short, has left to be settled again.
    """

    changed: tuple[str, ...]
    later: tuple[date, ...]
    waiting: tuple[date, ...]


def find_changes(home: Home, session: date) -> CorrectionStatus:
    """Compare a session's market with the one it was settled with. InputError for one that is not settled."""
    with home.ledger.read() as db:
        newest = settled_through(db)
        if newest is None or settlement_of(db, session) is None:
            raise InputError("session", "a settled session", session)
        waiting = due_sessions(db, home.sessions, newest)
    changed = changed_sessions(home.lake, home.sessions, session, since=session).get(session, ())
    return CorrectionStatus(changed, tuple(home.sessions.between(session, newest)[1:]), tuple(waiting))


def describe_corrections(home: Home, sessions: Collection[date]) -> list[dict[str, Any]]:
    """List the audit log's lines on the newest versions of corrected sessions, in order."""
    with home.ledger.read() as db:
        entries = corrections_of(db, sessions)
    rows = [(*entry.subject.split("."), entry.detail) for entry in entries]
    return [{"session": day, "state": "corrected", "version": int(n), "detail": detail} for day, n, detail in rows]
