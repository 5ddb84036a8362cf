"""Signal feeds: one interface to every publisher of signals that is polled.

A feed answers with its items as they are, under the field names of the feed `cqs`; domain.external.items makes signals
of them, and domain.external.polling decides the times.
"""

from typing import Any, Protocol

import httpx

from countersign.domain.external.feeds import check_feed
from countersign.models.feeds import FeedTerms
from countersign.sources.external.cqs import CqsFeed
from countersign.sources.external.feed_answers import TOTAL_SECONDS
from countersign.sources.external.generic_json import GenericFeed

OPENERS: dict[str, type[CqsFeed] | type[GenericFeed]] = {"cqs": CqsFeed, "generic_json": GenericFeed}


class Feed(Protocol):
    """Feed of signals, asked for a window of time."""

    @property
    def longest_window_minutes(self) -> int:
        """Longest window that the feed can be asked for, in minutes."""
        ...

    @property
    def missing(self) -> tuple[str, ...] | None:
        """Fields that no item of the newest answer had: of those that are mapped, and those that an item must have.

        A field that is there and empty is not missing. None before an answer, and after one without items.
        """
        ...

    async def fetch(self, client: httpx.AsyncClient, window_minutes: int) -> list[Any]:
        """Return the items of the last `window_minutes`.

        SourceBusy if asking again later may help, SourceRefused if it will not: a bad key, a bad configuration.
        Neither names the key.
        """
        ...


def open_feed(terms: FeedTerms, total_seconds: float = TOTAL_SECONDS) -> Feed:
    """Open a feed. InputError names the field that is wrong; the key is never repeated."""
    check_feed(terms)
    return OPENERS[terms.adapter](terms, total_seconds)
