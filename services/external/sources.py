"""Sources in the ledger: entering, pausing and removing the feeds that are polled, and the state of polling.

Changes are in the audit log; keys are nowhere but in the row itself.
"""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from countersign.domain.external.feeds import check_new_feed
from countersign.domain.external.polling import default_cadence
from countersign.models.errors import ConflictError, InputError
from countersign.models.feeds import FeedTerms
from countersign.models.tables.external import Gap, PollState, Source
from countersign.models.tables.operations import AuditEntry

SHORTEST_CADENCE, LONGEST_CADENCE = 10, 86_400


@dataclass(frozen=True)
class Polled:
    """A source, the state of its polling, and since when nobody has been listening (None: somebody is)."""

    source: Source
    state: PollState
    gap_since: datetime | None


def add_source(db: Session, wanted: FeedTerms, now: datetime, actor: str) -> Source:
    """Enter a source, due at once; InputError for a faulty one, ConflictError where the name is taken.

    The name of a removed one takes up where that left off: its signals are known, and the time between is a gap.
    """
    check_new_feed(wanted)
    every = wanted.every_seconds if wanted.every_seconds is not None else default_cadence(wanted.type)
    if not SHORTEST_CADENCE <= every <= LONGEST_CADENCE:
        raise InputError("every_seconds", f"{SHORTEST_CADENCE} to {LONGEST_CADENCE}", every)
    found = db.exec(select(Source).where(Source.name == wanted.name)).one_or_none()
    if found is not None and found.removed_at is None:
        raise ConflictError(f"name: the source {wanted.name} is there already")
    source = found or Source(name=wanted.name, adapter="", url="", every_seconds=every, created_at=now)
    for name, value in asdict(wanted).items():
        setattr(source, name, value)
    source.every_seconds, source.paused_at, source.removed_at = every, None, None
    db.add(source)
    db.flush()
    # Another mapping may be another matter.
    _let_go_on(db, source, now).missing_fields = ""
    db.add(AuditEntry(at=now, actor=actor, action="source added", subject=source.name))
    return source


def find_source(db: Session, name: str) -> Source:
    """Return the source of that name; InputError if there is none, or it was removed."""
    found = db.exec(select(Source).where(Source.name == name, col(Source.removed_at).is_(None))).one_or_none()
    if found is None:
        raise InputError("name", "the name of a source", name)
    return found


def list_sources(db: Session) -> list[Polled]:
    """List the sources that are not removed, by name."""
    query = (
        select(Source, PollState, col(Gap.started_at))
        .join(PollState, col(PollState.source_id) == col(Source.id))
        .outerjoin(Gap, (col(Gap.source_id) == col(Source.id)) & col(Gap.ended_at).is_(None))
        .where(col(Source.removed_at).is_(None))
        .order_by(col(Source.name))
    )
    return [Polled(*row) for row in db.exec(query)]


def pause_source(db: Session, name: str, now: datetime, actor: str, *, paused: bool = True) -> Source:
    """Stop polling a source, or go on at once, after trouble that stopped it too."""
    source = find_source(db, name)
    source.paused_at = (source.paused_at or now) if paused else None
    db.add(source)
    if not paused:
        _let_go_on(db, source, now)
    db.add(AuditEntry(at=now, actor=actor, action="source paused" if paused else "source resumed", subject=name))
    return source


def remove_source(db: Session, name: str, now: datetime, actor: str) -> Source:
    """Forget a source's key and poll it no more. Its signals and gaps are kept."""
    source = find_source(db, name)
    source.removed_at, source.key = now, None
    db.add(source)
    db.add(AuditEntry(at=now, actor=actor, action="source removed", subject=name))
    return source


def move_source(db: Session, name: str, url: str) -> None:
    """Give a source another address, where the same feed answers."""
    source = find_source(db, name)
    source.url = url
    db.add(source)


def _let_go_on(db: Session, source: Source, now: datetime) -> PollState:
    state = db.get(PollState, source.id) or PollState(source_id=source.id, due_at=now)
    state.due_at, state.failures, state.trouble, state.stopped_at = now, 0, None, None
    db.add(state)
    return state


def is_entered(db: Session, name: str) -> bool:
    """Whether a source of that name was ever entered, a removed one too."""
    return db.exec(select(Source).where(Source.name == name)).one_or_none() is not None
