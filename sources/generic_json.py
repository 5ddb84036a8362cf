"""The feed `generic_json`: any address that answers JSON, read by a mapping in the source's settings."""

from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from domain.external import FIELDS
from domain.polling import LONGEST_WINDOW_MINUTES
from models.errors import InputError
from sources.feed_answers import TOTAL_SECONDS, Asker, dig

OTHER = "other"


class FeedMapping(BaseModel):
    """Where a feed keeps what. Paths are names joined by dots; our names are those of the feed `cqs`.

    `fields` maps our names to paths within an item, `constants` gives what the feed does not say, and `directions` the
    feed's words for LONG and SHORT. `filters` maps exchange, currency and type to the names of the feed's parameters;
    a filter without one is applied to what comes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: str = ""
    fields: dict[str, str]
    constants: dict[str, str] = {}
    directions: dict[str, str] = {}
    params: dict[str, str] = {}
    filters: dict[str, str] = {}
    window_param: str | None = None
    window_minutes: int = Field(LONGEST_WINDOW_MINUTES, ge=1, le=10_080)
    key_header: str | None = None
    key_param: str | None = None

    @field_validator("fields", "constants", "filters")
    @classmethod
    def _ours(cls, value: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(value) - set(FIELDS))
        if unknown:
            raise ValueError(f"expected names among {', '.join(FIELDS)}, got {', '.join(unknown)}")
        return value


class GenericFeed:
    """Signals of one address."""

    def __init__(
        self,
        name: str,
        url: str,
        key: str | None = None,
        *,
        exchange: str | None = None,
        currency: str | None = None,
        signal_type: str | None = None,
        settings: str = "{}",
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        """`settings` is the JSON of a FeedMapping; InputError names its faulty field."""
        self._url, self._mapping = url, read_mapping(settings)
        mapping = self._mapping
        wanted = {"exchange": exchange, "currency": currency, "type": signal_type}
        given = {field: value for field, value in wanted.items() if value}
        self._params = mapping.params | {mapping.filters[f]: v for f, v in given.items() if f in mapping.filters}
        self._left = {field: value for field, value in given.items() if field not in mapping.filters}
        self._headers = {mapping.key_header: key} if key and mapping.key_header else {}
        if key and mapping.key_param:
            self._params[mapping.key_param] = key
        self._asker = Asker(name, key, total_seconds)
        self.longest_window_minutes = mapping.window_minutes

    async def fetch(self, client: httpx.AsyncClient, window_minutes: int) -> list[Any]:
        """Return the items, under our names; see sources.feeds.Feed."""
        window = {self._mapping.window_param: str(window_minutes)} if self._mapping.window_param else {}
        status, answer = await self._asker.ask(
            client, "GET", self._url, params=self._params | window, headers=self._headers
        )
        self._asker.refuse_status(status)
        items = dig(answer, self._mapping.items)
        if not isinstance(items, list):
            raise self._asker.not_json()
        named = [self._named(item) for item in items]
        return [item for item in named if all(_is(item, field, value) for field, value in self._left.items())]

    def _named(self, item: Any) -> Any:
        if not isinstance(item, dict):
            return item
        paths = self._mapping.fields
        found = self._mapping.constants | {field: dig(item, path) for field, path in paths.items()}
        direction = found.get("direction")
        if isinstance(direction, int | str):
            found["direction"] = self._mapping.directions.get(str(direction), direction)
        others = {name: value for name, value in item.items() if name not in paths.values()}
        return found | ({OTHER: others} if others else {})


def read_mapping(settings: str) -> FeedMapping:
    """Read a mapping; InputError names its faulty field, and repeats no value: a parameter may be a secret."""
    try:
        return FeedMapping.model_validate_json(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"mapping {place}".strip(), first["msg"].removeprefix("Value error, expected ")) from None


def _is(item: Any, field: str, value: str) -> bool:
    """Whether an item passes a filter; what is no item is passed on, to be told of."""
    return not isinstance(item, dict) or str(item.get(field)).casefold() == value.casefold()
