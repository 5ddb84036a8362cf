"""Polling: asks every source that is due, side by side, and stores the answers.

No Prefect in here: the poller is a process of its own that must stay small, and a flow calls the same functions.
Times are the machine's, also in a simulated home: a feed lives in real time.
"""

import asyncio
import logging
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

import httpx

from countersign.domain.external.items import Items, normalise
from countersign.domain.external.polling import uncovered, window_minutes
from countersign.models.errors import CountersignError, InputError, SourceBusy, SourceError, SourceRefused
from countersign.models.feeds import LONGEST_WINDOW_MINUTES, FeedTerms
from countersign.models.problems import stopped_problem
from countersign.models.tables.external import Source
from countersign.services.external.answers import Poll, Stored, open_gap, store_answer, store_failure
from countersign.services.external.sources import Polled, list_sources
from countersign.services.notifications.notifications import notify
from countersign.sources.external.feed_answers import open_client
from countersign.sources.external.feeds import Feed, open_feed
from countersign.store.home import Home

Now = Callable[[], datetime]
_log = logging.getLogger("polling")


@dataclass(frozen=True)
class PollOutcome:
    """Outcome of one poll. `trouble` is the reason for a failure, in words that never hold the key."""

    source: str
    stored: Stored
    trouble: str | None = None

    @property
    def row(self) -> dict[str, Any]:
        """The outcome as a row of a table."""
        return {"source": self.source, **asdict(self.stored), "trouble": self.trouble}


def due_sources(home: Home, now: datetime, *, early: bool = False) -> list[Polled]:
    """List the sources to ask now; those also that are not due yet but in good order, with `early`.

    Notes gaps of sources that are not asked, too: paused and stopped ones.
    """
    with home.ledger.read() as db:
        found = list_sources(db)
    silent = [each for each in found if each.source.paused_at or each.state.stopped_at]
    for each in silent:
        if each.gap_since is None and uncovered(now, each.state.good_at, _longest(each.source)):
            with home.ledger.write() as db:
                open_gap(db, _poll(each.source, now, now, _longest(each.source)))
    asked = [each for each in found if each not in silent]
    return [each for each in asked if each.state.due_at <= now or (early and not each.state.failures)]


def poll_round(
    home: Home, now: Now, *, early: bool = False, transport: httpx.AsyncBaseTransport | None = None
) -> list[PollOutcome]:
    """Ask every due source once, and wait for all; one's trouble never delays another's. Safe to repeat."""

    async def ask_all() -> list[PollOutcome]:
        async with open_client(transport) as client:
            return await poll_all(home, client, due_sources(home, now(), early=early), now)

    return asyncio.run(ask_all())


async def poll_all(home: Home, client: httpx.AsyncClient, due: Iterable[Polled], now: Now) -> list[PollOutcome]:
    """Ask these sources, all at the same time, and wait for all; then errors of ours come through."""
    outcomes = await asyncio.gather(*(poll_source(home, client, each, now) for each in due), return_exceptions=True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if failed:
        raise failed[0]
    return [outcome for outcome in outcomes if isinstance(outcome, PollOutcome)]


async def poll_source(home: Home, client: httpx.AsyncClient, polled: Polled, now: Now) -> PollOutcome:
    """Ask one source and store its answer or failure. Errors of ours (a ledger that is away) come through.

    An error that nobody thought of is this source's trouble too: it backs off.
    """
    source, asked_at = polled.source, now()
    longest = LONGEST_WINDOW_MINUTES
    try:
        feed = open_source(source)
        longest = feed.longest_window_minutes
        window = window_minutes(asked_at, polled.state.good_at, source.every_seconds, longest)
        items = await feed.fetch(client, window)
        stored = await asyncio.to_thread(_store, home, _poll(source, asked_at, now(), longest), items, feed.missing)
    except (SourceError, InputError) as error:
        trouble: CountersignError = error
    except CountersignError:
        raise
    except Exception as error:
        trouble = unexpected(source.name, error)
    else:
        return PollOutcome(source.name, stored)
    await asyncio.to_thread(_note_failure, home, source, _poll(source, asked_at, now(), longest), trouble)
    return PollOutcome(source.name, Stored(), str(trouble))


def unexpected(name: str, error: Exception) -> SourceBusy:
    """Make a source's trouble of an error; log its place, but not its words: they may hold the key."""
    words = f"{name}: unexpected {type(error).__name__}"
    _log.error("%s\n%s", words, "".join(traceback.format_tb(error.__traceback__)))
    return SourceBusy(words)


def open_source(source: Source) -> Feed:
    """Open the feed of a source; InputError if its settings are not valid (any more)."""
    return open_feed(FeedTerms(**{field.name: getattr(source, field.name) for field in fields(FeedTerms)}))


def _store(home: Home, poll: Poll, items: list[Any], missing: Sequence[str] | None) -> Stored:
    found: Items = normalise(items)
    with home.ledger.write() as db:
        return store_answer(db, poll, found, missing)


def _note_failure(home: Home, source: Source, poll: Poll, error: CountersignError) -> None:
    stop = isinstance(error, SourceRefused | InputError)
    wait = error.retry_after_seconds if isinstance(error, SourceBusy) else None
    with home.ledger.write() as db:
        store_failure(db, poll, str(error), retry_after_seconds=wait, stop=stop)
        if stop:
            problem = stopped_problem(source.name, str(error))
            notify(db, problem.key, problem.kind, problem.text, poll.received_at)


def _poll(source: Source, asked_at: datetime, received_at: datetime, longest: int) -> Poll:
    return Poll(source.id, asked_at, received_at, source.every_seconds, longest)


def _longest(source: Source) -> int:
    try:
        return open_source(source).longest_window_minutes
    except InputError:
        return LONGEST_WINDOW_MINUTES
