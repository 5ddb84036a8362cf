"""Router of external signals: those of other people's feeds, and, for administrators, the feeds that are polled."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from countersign.api.app_state import State
from countersign.api.identity import Account, Admin
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.responses.answers import Json
from countersign.api.responses.errors import not_found, problems
from countersign.api.responses.paging import Coin, Exchange, FeedName, Limit, Offset, Word
from countersign.models.errors import InputError
from countersign.models.feeds import NO_SETTINGS, FeedTerms
from countersign.models.tables.external import NAME_PATTERN, Source
from countersign.models.tables.operations import account
from countersign.models.wire.external import (
    ExternalSignalsAnswer,
    FeedAnswer,
    FeedChange,
    FeedRemovedAnswer,
    FeedsAnswer,
    GapsAnswer,
    NewFeed,
    QuarantineAnswer,
    StatisticsAnswer,
)
from countersign.services.external.outcomes import no_record, read_records
from countersign.services.external.reader import Wanted, read_gaps, read_quarantine, read_signals, read_statistics
from countersign.services.external.sources import (
    Polled,
    add_source,
    find_source,
    list_sources,
    pause_source,
    remove_source,
)
from countersign.store.clock import wall_clock
from countersign.store.ledger.ledger import Transaction

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/external", tags=["external"])

Feed = Annotated[Word, Query(examples=["cqs-free"])]
Cursor = Annotated[int, Query(ge=0, le=2**31 - 1, description="`next_cursor` of the answer before", examples=[42])]
OWN = ("name", "adapter", "url", "exchange", "currency", "type", "every_seconds", "created_at")
STATE = ("polled_at", "good_at", "trouble")


@router.get("/signals", response_model=ExternalSignalsAnswer, responses=problems(401, 403))
def list_external_signals(
    state: State,
    _user: Account,
    source: Feed = None,
    exchange: Exchange = None,
    coin: Coin = None,
    currency: Annotated[Word, Query(examples=["USDT"])] = None,
    direction: Annotated[Word, Query(examples=["LONG"])] = None,
    type: Annotated[Word, Query(examples=["SHORT TERM"])] = None,  # noqa: A002 - the parameter's name over the wire
    received_since: Annotated[AwareDatetime | None, Query(examples=["2026-05-24T14:00:00Z"])] = None,
    all_revisions: Annotated[bool, Query(description="every revision, not only the newest of each signal")] = False,
    cursor: Cursor = 0,
    limit: Limit = 50,
) -> Json:
    """List signals in the order in which they came, from the oldest or the cursor on.

    A signal that its source changes is a new revision, and comes again.
    """
    wanted = Wanted(source, exchange, coin, currency, direction, type, received_since, all_revisions)
    with state.home.ledger.read() as db:
        found = read_signals(db, wanted, cursor, limit)
    return Json({"signals": found, "next_cursor": found[-1]["id"] if found else cursor})


@router.get("/statistics", response_model=StatisticsAnswer, responses=problems(401, 403))
def show_feed_statistics(state: State, _user: Account) -> Json:
    """Show each source's signals by counts, and their outcomes in the market."""
    with state.home.ledger.read() as db:
        found, records = read_statistics(db), read_records(db)
    for row in found:
        stopped, paused, removed = (row.pop(name) for name in ("stopped_at", "paused_at", "removed_at"))
        row["state"] = "removed" if removed else _state(stopped, paused)
        row["outcomes"] = records.get(row["name"]) or no_record()
    return Json({"sources": found})


@router.get("/gaps", response_model=GapsAnswer, responses=problems(401, 403))
def list_feed_gaps(state: State, _user: Account, source: Feed = None, limit: Limit = 50, offset: Offset = 0) -> Json:
    """List when nobody was listening to a source, newest first."""
    with state.home.ledger.read() as db:
        return Json({"gaps": read_gaps(db, source, limit, offset)})


@router.get("/sources", response_model=FeedsAnswer, responses=problems(401, 403))
def list_feeds(state: State, _user: Admin) -> Json:
    """List the feeds that are polled. For administrators."""
    with state.home.ledger.read() as db:
        return Json({"sources": [_shape(each) for each in list_sources(db)]})


@router.post("/sources", status_code=201, response_model=FeedAnswer, responses=problems(401, 403, 409))
def add_feed(state: State, user: Admin, body: NewFeed) -> Json:
    """Enter a feed; it is polled from now on. For administrators.

    The name of a removed source takes up where that left off.
    """
    settings = body.mapping.model_dump_json() if body.mapping else NO_SETTINGS
    wanted = FeedTerms(**body.model_dump(exclude={"mapping"}), settings=settings)
    with state.home.ledger.write() as db:
        add_source(db, wanted, wall_clock(), account(user.id))
        return Json(_found(db, body.name), 201)


@router.patch("/sources/{name}", response_model=FeedAnswer, responses=problems(401, 403, 404))
def change_feed(state: State, user: Admin, name: FeedName, body: FeedChange) -> Json:
    """Pause a source, or let it go on. For administrators."""
    with state.home.ledger.write() as db:
        _require(db, name)
        pause_source(db, name, wall_clock(), account(user.id), paused=body.paused)
        return Json(_found(db, name))


@router.delete("/sources/{name}", response_model=FeedRemovedAnswer, responses=problems(401, 403, 404))
def remove_feed(state: State, user: Admin, name: FeedName) -> Json:
    """Poll a source no more and forget its key; its signals stay. For administrators."""
    with state.home.ledger.write() as db:
        _require(db, name)
        remove_source(db, name, wall_clock(), account(user.id))
    return Json({"name": name, "removed": True})


@router.get("/sources/{name}/quarantine", response_model=QuarantineAnswer, responses=problems(401, 403, 404))
def list_quarantined_items(state: State, _user: Admin, name: FeedName, limit: Limit = 50, offset: Offset = 0) -> Json:
    """List the items of a source that were no signals, newest first. For administrators."""
    with state.home.ledger.read() as db:
        _require(db, name)
        return Json({"items": read_quarantine(db, name, limit, offset)})


def _require(db: Transaction, name: str) -> Source:
    try:
        # PostgreSQL would not even look for a name with a NUL.
        return find_source(db, name if re.fullmatch(NAME_PATTERN, name) else "")
    except InputError:
        raise not_found("Source") from None


def _found(db: Transaction, name: str) -> dict[str, Any]:
    db.flush()
    return _shape(next(each for each in list_sources(db) if each.source.name == name))


def _shape(each: Polled) -> dict[str, Any]:
    return (
        {name: getattr(each.source, name) for name in OWN}
        | {name: getattr(each.state, name) for name in STATE}
        | {
            "has_key": each.source.key is not None,
            "state": _state(each.state.stopped_at, each.source.paused_at),
            "gap_since": each.gap_since,
            "missing_fields": each.state.missing,
        }
    )


def _state(stopped: object, paused: object) -> str:
    return "paused" if paused else "stopped" if stopped else "polled"
