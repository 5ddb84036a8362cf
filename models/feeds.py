"""Feeds: their terms, the fields of their items (named as the feed `cqs` does), and the mapping of other items."""

from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, field_validator

ADAPTERS = ("cqs", "generic_json")
LONGEST_WINDOW_MINUTES = 20
DIRECTIONS = ("LONG", "SHORT")

ITEM_TEXTS = ("exchange", "coin", "currency")
ITEM_PRICES = ("buy_start", "buy_end", "stop_loss")
# These may be missing, empty or 0, which are all null.
ITEM_NUMBERS = ("target1", "target2", "target3", "ask", "leverage", "risk_level")
ITEM_REQUIRED = ("id", "timestamp", "direction", *ITEM_TEXTS, *ITEM_PRICES)
ITEM_FIELDS = ("id", "timestamp", "direction", "type", *ITEM_TEXTS, *ITEM_PRICES, *ITEM_NUMBERS)


NO_SETTINGS = "{}"


@dataclass(frozen=True)
class FeedTerms:
    """Terms of a feed, by the operator. `settings` is JSON: for `generic_json` a FeedMapping, for others nothing.

    A cadence that is left out is the habit of the type.
    """

    name: str
    adapter: str
    url: str
    key: str | None = field(default=None, repr=False)
    exchange: str | None = None
    currency: str | None = None
    type: str | None = None
    every_seconds: int | None = None
    settings: str = field(default=NO_SETTINGS, repr=False)


class FeedMapping(BaseModel):
    """Mapping of a feed of the adapter `generic_json`. Paths are names joined by dots; a number is a place in a
    list, counted from 0.

    `fields` maps our names to paths within an item, `constants` gives values that the feed lacks, and `directions` the
    feed's words for LONG and SHORT, without regard to case. `filters` maps exchange, currency and type to the names of
    the feed's parameters; a filter without one is applied to the answer. The key goes into `key_header` or `key_param`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: str = Field("", examples=["data.signals"])
    fields: dict[str, str] = Field(examples=[{"id": "no", "coin": "pair.base", "target1": "targets.0"}])
    constants: dict[str, str] = Field({}, examples=[{"exchange": "binance"}])
    directions: dict[str, str] = Field({}, examples=[{"buy": "LONG", "sell": "SHORT"}])
    params: dict[str, str] = Field({}, examples=[{"format": "json"}])
    filters: dict[str, str] = Field({}, examples=[{"currency": "quote"}])
    window_param: str | None = Field(None, examples=["minutes"])
    window_minutes: int = Field(LONGEST_WINDOW_MINUTES, ge=1, le=10_080, examples=[20])
    key_header: str | None = Field(None, examples=["X-Api-Key"])
    key_param: str | None = Field(None, examples=["token"])

    @field_validator("fields", "constants", "filters")
    @classmethod
    def _ours(cls, value: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(value) - set(ITEM_FIELDS))
        if unknown:
            raise ValueError(f"expected names among {', '.join(ITEM_FIELDS)}, got {', '.join(unknown)}")
        return value
