"""Trying a feed before it is entered: one poll on the path of every other, shown item by item, and nothing kept."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx

from countersign.domain.external.feeds import check_new_feed
from countersign.domain.external.items import Parsed, Unfit, collect, read_items
from countersign.models.errors import CountersignError
from countersign.models.feeds import FeedTerms
from countersign.services.external.polling import unexpected
from countersign.sources.external.feed_answers import open_client
from countersign.sources.external.feeds import open_feed


@dataclass(frozen=True)
class Trial:
    """Trial of a feed: the items that one poll would bring.

    `items` has a row an item, in the answer's order; `becomes` says signal, quarantined, or repeated for an item that
    is there twice and counts once. The window is the longest that the feed has, in minutes.
    """

    items: list[dict[str, Any]]
    signals: int
    quarantined: int
    repeated: int
    missing_fields: list[str]
    window_minutes: int


def try_feed(terms: FeedTerms, transport: httpx.AsyncBaseTransport | None = None) -> Trial:
    """Ask a feed once. InputError for terms that could not be entered, SourceError where the feed gives no items."""
    check_new_feed(terms)
    feed = open_feed(terms)

    async def ask() -> list[Any]:
        async with open_client(transport) as client:
            return await feed.fetch(client, feed.longest_window_minutes)

    try:
        found = list(read_items(asyncio.run(ask())))
    except CountersignError:
        raise
    except Exception as error:
        raise unexpected(terms.name, error) from None
    kept = collect(found)
    first = {id(each) for each in (*kept.signals, *kept.unfit)}
    rows = [
        {"item": number, **_row(each, repeated=id(each) not in first)} for number, each in enumerate(found, start=1)
    ]
    counts = {"signals": len(kept.signals), "quarantined": len(kept.unfit), "repeated": len(found) - len(first)}
    return Trial(rows, **counts, missing_fields=list(feed.missing or ()), window_minutes=feed.longest_window_minutes)


def _row(found: Parsed | Unfit, *, repeated: bool) -> dict[str, Any]:
    if isinstance(found, Unfit):
        becomes = "repeated" if repeated else "quarantined"
        return {"becomes": becomes, "id": found.external_id, "reason": found.reason}
    return {
        "becomes": "repeated" if repeated else "signal",
        "id": found.external_id,
        "time": found.published_at.isoformat(),
        "exchange": found.exchange,
        "pair": f"{found.coin}/{found.currency}",
        "direction": found.direction,
        "entry": [found.entry_low, found.entry_high],
        "stop": found.stop_loss,
        "targets": [found.target1, found.target2, found.target3],
        "type": found.type,
    }
