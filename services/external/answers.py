"""External signals into the ledger: a poll's signals and revisions, unfit items, gaps, and the state of polling.

The caller's transaction holds all of one poll, so that a poll killed half-way has brought nothing, and the next one
asks back to the last good one. Rows are moved in bulk: an answer costs a handful of statements, however long it is.
"""

# ruff: noqa: S608 - the queries are made of names of ours

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from countersign.domain.external.items import Items, Parsed, Unfit
from countersign.domain.external.polling import next_attempt, uncovered
from countersign.models.feeds import LONGEST_WINDOW_MINUTES
from countersign.models.tables.columns import UTCDateTime
from countersign.models.tables.external import Gap, PollState, PollTally, QuarantinedItem
from countersign.store.ledger.chunks import chunked
from countersign.store.ledger.inserts import insert_into

COLUMNS = tuple(field.name for field in fields(Parsed))
TIME = UTCDateTime()
_BATCH = sa.Table(
    "poll_batch",
    sa.MetaData(),
    *(sa.Column(name, TIME if name == "published_at" else sa.Text()) for name in COLUMNS),
    prefixes=["TEMPORARY"],
)
_NEWEST = """
    external_signal n ON n.source_id = :source AND n.external_id = b.external_id AND n.revision = (
        SELECT max(m.revision) FROM external_signal m WHERE m.source_id = :source AND m.external_id = b.external_id)
"""
# An answer that was on its way while a newer one was stored must not bring an old revision back.
_INSERT = sa.text(f"""
    INSERT INTO external_signal (source_id, revision, received_at, last_seen_at, {", ".join(COLUMNS)})
    SELECT :source, coalesce(n.revision, 0) + 1, :received, :received, {", ".join(f"b.{name}" for name in COLUMNS)}
    FROM poll_batch b LEFT JOIN {_NEWEST}
    WHERE n.id IS NULL OR (n.content_sha256 <> b.content_sha256 AND NOT (n.last_seen_at > :asked AND EXISTS (
        SELECT 1 FROM external_signal o WHERE o.source_id = :source AND o.external_id = b.external_id
        AND o.content_sha256 = b.content_sha256)))
    ORDER BY b.published_at, b.external_id
    ON CONFLICT (source_id, external_id, revision) DO NOTHING
    RETURNING revision
""").bindparams(sa.bindparam("received", type_=TIME), sa.bindparam("asked", type_=TIME))  # fmt: skip
_SEEN = sa.text(f"""
    UPDATE external_signal SET last_seen_at = :received WHERE last_seen_at < :received AND id IN (
        SELECT n.id FROM poll_batch b JOIN {_NEWEST} WHERE n.content_sha256 = b.content_sha256)
""").bindparams(sa.bindparam("received", type_=TIME))


@dataclass(frozen=True)
class Stored:
    """Counts of one poll: signals that are new, known, changed; items put aside for the first time."""

    new: int = 0
    known: int = 0
    revised: int = 0
    quarantined: int = 0


@dataclass(frozen=True)
class Poll:
    """Poll of a source: times of question and answer, interval in seconds, and the longest window in minutes."""

    source_id: int
    asked_at: datetime
    received_at: datetime
    every_seconds: int
    longest_minutes: int = LONGEST_WINDOW_MINUTES


def store_answer(db: Session, poll: Poll, items: Items, missing: Sequence[str] | None = None) -> Stored:
    """Store the items of a good poll; return how many were new. Safe beside another poller of the source.

    `missing` names the fields that no item had; None, of an answer without items, leaves those of an earlier one.
    """
    revisions = _store_signals(db, poll, items.signals) if items.signals else []
    stored = Stored(
        new=sum(revision == 1 for revision in revisions),
        known=len(items.signals) - len(revisions),
        revised=sum(revision > 1 for revision in revisions),
        quarantined=_quarantine(db, poll, items.unfit) if items.unfit else 0,
    )
    state = db.get_one(PollState, poll.source_id)
    _close_gap(db, poll, state)
    if missing is not None and (state.good_at is None or poll.asked_at >= state.good_at):
        state.missing_fields = ",".join(missing)
    state.good_at = max(state.good_at or poll.asked_at, poll.asked_at)
    state.polled_at, state.failures, state.trouble, state.stopped_at = poll.received_at, 0, None, None
    state.due_at = poll.asked_at + timedelta(seconds=poll.every_seconds)
    db.add(state)
    _count(db, poll, asdict(stored))
    return stored


def store_failure(
    db: Session, poll: Poll, words: str, *, retry_after_seconds: float | None = None, stop: bool = False
) -> None:
    """Note that a poll failed, and when to try again: never by itself where it is to `stop`."""
    state = db.get_one(PollState, poll.source_id)
    state.polled_at, state.failures, state.trouble = poll.received_at, state.failures + 1, words
    state.due_at = next_attempt(
        poll.received_at, state.failures, state.good_at, poll.longest_minutes, retry_after_seconds
    )
    if stop:
        state.stopped_at = poll.received_at
    db.add(state)
    open_gap(db, poll)
    _count(db, poll, {"failures": 1})


def open_gap(db: Session, poll: Poll) -> None:
    """Begin a gap where the last good poll is longer ago than the feed reaches back; an open one stays as it is."""
    missed = uncovered(poll.received_at, db.get_one(PollState, poll.source_id).good_at, poll.longest_minutes)
    if missed and _open_gap(db, poll.source_id) is None:
        db.add(Gap(source_id=poll.source_id, started_at=missed[0]))


def _close_gap(db: Session, poll: Poll, state: PollState) -> None:
    found = _open_gap(db, poll.source_id)
    missed = uncovered(poll.asked_at, state.good_at, poll.longest_minutes)
    if found is None and missed:
        found = Gap(source_id=poll.source_id, started_at=missed[0])
    if found is not None:
        found.ended_at = max(found.started_at, poll.asked_at - timedelta(minutes=poll.longest_minutes))
        db.add(found)


def _open_gap(db: Session, source_id: int) -> Gap | None:
    return db.exec(select(Gap).where(Gap.source_id == source_id, col(Gap.ended_at).is_(None))).one_or_none()


def _store_signals(db: Session, poll: Poll, signals: Sequence[Parsed]) -> list[int]:
    """Return the revisions that came in."""
    connection = db.connection()
    _BATCH.create(connection, checkfirst=False)
    connection.execute(_BATCH.insert(), [vars(signal) for signal in signals])
    times = {"source": poll.source_id, "received": poll.received_at}
    revisions = [int(row[0]) for row in connection.execute(_INSERT, times | {"asked": poll.asked_at})]
    connection.execute(_SEEN, times)
    _BATCH.drop(connection, checkfirst=False)
    return revisions


def _quarantine(db: Session, poll: Poll, unfit: Sequence[Unfit]) -> int:
    """Return how many were not there yet."""
    own = {"source_id": poll.source_id, "received_at": poll.received_at, "last_seen_at": poll.received_at}
    insert = insert_into(db, QuarantinedItem).on_conflict_do_nothing().returning(col(QuarantinedItem.id))
    fresh = db.execute(insert, [vars(item) | own for item in unfit]).all()
    for chunk in chunked(item.raw_sha256 for item in unfit):
        seen = col(QuarantinedItem.raw_sha256).in_(chunk)
        update = sa.update(QuarantinedItem).where(col(QuarantinedItem.source_id) == poll.source_id, seen)
        db.execute(update.values(last_seen_at=poll.received_at))
    return len(fresh)


def _count(db: Session, poll: Poll, counts: dict[str, int]) -> None:
    """Add to the tally of the hour."""
    hour = poll.received_at.replace(minute=0, second=0, microsecond=0)
    given = counts | {"polls": 1}
    zero = dict.fromkeys(("polls", "failures", "new", "known", "revised", "quarantined"), 0)
    insert = insert_into(db, PollTally).values(source_id=poll.source_id, hour=hour, **(zero | given))
    grown = {name: getattr(PollTally, name) + count for name, count in given.items()}
    db.execute(insert.on_conflict_do_update(index_elements=["source_id", "hour"], set_=grown))
