"""The feed `generic_json`: any address that answers JSON, read by a mapping in the source's settings."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import httpx

from countersign.domain.external.feeds import fold, read_mapping
from countersign.domain.external.paths import dig, find_missing
from countersign.models.feeds import ITEM_REQUIRED, FeedTerms
from countersign.sources.external.feed_answers import TOTAL_SECONDS, Asker

OTHER = "other"


class GenericFeed:
    """Signals of one address."""

    def __init__(self, terms: FeedTerms, total_seconds: float = TOTAL_SECONDS) -> None:
        """The settings are the JSON of a FeedMapping; InputError names its faulty field."""
        key = terms.key
        self._url, self._mapping = terms.url, read_mapping(terms.settings)
        mapping = self._mapping
        self._sides = {fold(word): side for word, side in mapping.directions.items()}
        wanted = {"exchange": terms.exchange, "currency": terms.currency, "type": terms.type}
        given = {field: value for field, value in wanted.items() if value}
        self._params = mapping.params | {mapping.filters[f]: v for f, v in given.items() if f in mapping.filters}
        self._left = {field: value for field, value in given.items() if field not in mapping.filters}
        self._headers = {mapping.key_header: key} if key and mapping.key_header else {}
        if key and mapping.key_param:
            self._params[mapping.key_param] = key
        self._asker = Asker(terms.name, key, total_seconds)
        self.longest_window_minutes = mapping.window_minutes
        self.missing: tuple[str, ...] | None = None

    async def fetch(self, client: httpx.AsyncClient, window_minutes: int) -> list[Any]:
        """Return the items, under our names; see sources.external.feeds.Feed."""
        window = {self._mapping.window_param: str(window_minutes)} if self._mapping.window_param else {}
        answer = await self._asker.ask(client, "GET", self._url, params=self._params | window, headers=self._headers)
        self._asker.refuse_status(answer)
        items = self._asker.items(answer, dig(answer.json, self._mapping.items))
        self.missing = self._missing(items) if items else None
        named = [self._named(item) for item in items]
        return [item for item in named if all(_is(item, field, value) for field, value in self._left.items())]

    def _missing(self, items: Iterable[Any]) -> tuple[str, ...]:
        """Fields that no item has; those that an item must have, and that nothing gives, among them."""
        paths, constants = self._mapping.fields, self._mapping.constants
        unsaid = [name for name in ITEM_REQUIRED if name not in paths and name not in constants]
        return (*find_missing(items, paths), *unsaid)

    def _named(self, item: Any) -> Any:
        if not isinstance(item, dict | list):
            return item
        paths = self._mapping.fields
        found = self._mapping.constants | {field: dig(item, path) for field, path in paths.items()}
        if "direction" in found:
            found["direction"] = self._side(found["direction"])
        given = item if isinstance(item, dict) else {str(place): value for place, value in enumerate(item)}
        others = {name: value for name, value in given.items() if name not in paths.values()}
        return found | ({OTHER: others} if others else {})

    def _side(self, said: Any) -> Any:
        """LONG or SHORT for the feed's word, a word that is not mapped as it is. Its exact spelling comes first."""
        if not isinstance(said, int | str | Decimal):
            return said
        word = str(said)
        return self._mapping.directions.get(word) or self._sides.get(fold(word), said)


def _is(item: Any, field: str, value: str) -> bool:
    """Whether an item passes a filter; a value that is no item passes, to be reported as unfit."""
    return not isinstance(item, dict) or str(item.get(field)).casefold() == value.casefold()
