"""External signals: each item of a feed's answer is normalised, or set aside with a reason.

Prices stay the decimal strings that the feed wrote; for an optional one a 0, or a word for none, is null. Items come
from domain.strict_json.read_items_json, under the field names of the feed that the adapter `cqs` is for.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from countersign.domain.moments import from_number, from_text
from countersign.domain.strict_json import EXPECTED, Repeated, excerpt, levels, repeated_name
from countersign.models.errors import InputError
from countersign.models.feeds import DIRECTIONS, ITEM_FIELDS, ITEM_NUMBERS, ITEM_PRICES, ITEM_TEXTS

# Numbers that the lens can hold exactly: DECIMAL(38, 18).
MOST_INTEGER_DIGITS, MOST_DECIMALS = 20, 18
MAX_TEXT, MAX_ID, MAX_RAW, MAX_LEVELS = 60, 200, 16_384, 32
# Feeds write these where an optional field says nothing. NaN is not among them: a computation failed there.
NOTHING = frozenset({"", "-", "--", "–", "—", "n/a", "na", "null", "none", "nil"})
# From here on a double no longer tells whole numbers apart: such an id with a point may mean several.
EXACT_BELOW = 2**53


def _plain(value: Any) -> Any:
    """Write down what JSON has not: a number with its digits, an object with a name twice as a list of its members."""
    return value.members if isinstance(value, Repeated) else str(value)


_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_plain)


@dataclass(frozen=True)
class Parsed:
    """A signal as the ledger keeps it, without its source and its time of arrival. Times are UTC."""

    external_id: str
    published_at: datetime
    content_sha256: str
    exchange: str
    coin: str
    currency: str
    direction: str
    entry_low: str
    entry_high: str
    target1: str | None
    target2: str | None
    target3: str | None
    stop_loss: str
    type: str | None
    ask: str | None
    leverage: str | None
    risk_level: str | None
    raw: str


@dataclass(frozen=True)
class Unfit:
    """An item that is kept aside. `raw` is cut where it is very long; the hash is that of all of it."""

    external_id: str | None
    reason: str
    raw: str
    raw_sha256: str


@dataclass(frozen=True)
class Items:
    """The items of one answer. An id occurs once in `signals`."""

    signals: list[Parsed]
    unfit: list[Unfit]


def normalise(items: Iterable[Any]) -> Items:
    """Sort an answer's items into signals and unfit ones. A repeated item counts once."""
    return collect(read_items(items))


def collect(found: Iterable[Parsed | Unfit]) -> Items:
    """Gather the results of read_items on one answer."""
    signals: dict[str, Parsed] = {}
    unfit: dict[str, Unfit] = {}
    for each in found:
        if isinstance(each, Parsed):
            signals.setdefault(each.external_id, each)
        else:
            unfit.setdefault(each.raw_sha256, each)
    return Items(list(signals.values()), list(unfit.values()))


def read_items(items: Iterable[Any]) -> Iterator[Parsed | Unfit]:
    """Read the items of one answer, one after the other.

    An id that occurs twice with different content is ambiguous: the first counts, the others are unfit.
    """
    contents: dict[str, str] = {}
    for item in items:
        raw = ""
        try:
            raw = _dumps(item)
            parsed = parse(item, raw)
            if contents.setdefault(parsed.external_id, parsed.content_sha256) != parsed.content_sha256:
                raise InputError("id", "one content for an id", f"{parsed.external_id} twice, with different content")
        except (InputError, RecursionError) as error:
            yield Unfit(_id_or_none(item), str(error), raw[:MAX_RAW], _sha256(raw))
        else:
            yield parsed


def parse(item: Any, raw: str) -> Parsed:
    """Make a signal of one item, whose JSON is `raw`; InputError names the feed's field that is wrong."""
    twice = repeated_name(item)
    if twice is not None:
        raise InputError("item", EXPECTED, f"{excerpt(twice)} twice")
    if not isinstance(item, Mapping):
        raise InputError("item", "an object", type(item).__name__)
    if len(raw) > MAX_RAW:
        raise InputError("item", f"at most {MAX_RAW} characters", len(raw))
    # Whoever reads it after us may go less deep than our parser.
    if levels(item) > MAX_LEVELS:
        raise InputError("item", f"lists and objects at most {MAX_LEVELS} deep", levels(item))
    known: dict[str, Any] = {"external_id": _id(item.get("id")), "published_at": _time(item.get("timestamp"))}
    known |= {name: _text(item, name) for name in ITEM_TEXTS}
    known["direction"] = _direction(item.get("direction"))
    known["type"] = None if _says_nothing(item.get("type")) else _text(item, "type")
    numbers: dict[str, Any] = {name: _optional_number(item.get(name), name) for name in ITEM_NUMBERS}
    numbers |= {name: _number(item.get(name), name) for name in ITEM_PRICES}
    # For a SHORT some write the zone from above.
    low, high = sorted((str(numbers.pop("buy_start")), str(numbers.pop("buy_end"))), key=Decimal)
    numbers |= {"entry_low": low, "entry_high": high}
    said = known | {name: _value(text) for name, text in numbers.items()}
    others = {name: value for name, value in item.items() if name not in ITEM_FIELDS}
    return Parsed(**known, **numbers, raw=raw, content_sha256=_sha256(_dumps([said, others])))


def _id(value: Any) -> str:
    """1847291 and "1847291" are one id, and so is 1847291.0, as which some libraries write whole numbers."""
    if isinstance(value, Decimal) and value.is_finite() and -EXACT_BELOW < value < EXACT_BELOW and value == int(value):
        value = int(value)
    found = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(found, str) or not found.strip():
        raise InputError("id", "a text or a whole number", _excerpt(value))
    return _clean("id", found, MAX_ID)


def _id_or_none(item: Any) -> str | None:
    try:
        return _id(item.get("id")) if isinstance(item, Mapping) else None
    except InputError:
        return None


def _time(value: Any) -> datetime:
    moment = from_text(value) if isinstance(value, str) else None
    if moment is None and (number := _decimal(value)) is not None:
        moment = from_number(number)
    if moment is None:
        raise InputError("timestamp", "a time such as 2026-05-24 14:32:05", _excerpt(value))
    return moment


def _direction(value: Any) -> str:
    found = value.strip().upper() if isinstance(value, str) else value
    if found not in DIRECTIONS:
        raise InputError("direction", "LONG or SHORT", _excerpt(value))
    return str(found)


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InputError(name, "a text", _excerpt(value))
    return _clean(name, value, MAX_TEXT)


def _clean(name: str, value: str, longest: int) -> str:
    value = value.strip()
    if len(value) > longest:
        raise InputError(name, f"at most {longest} characters", len(value))
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in value):
        raise InputError(name, "text without control characters")
    return value


def _says_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip().casefold() in NOTHING)


def _optional_number(value: Any, name: str) -> str | None:
    """A positive number; None for 0, nothing, and a word for it."""
    if _says_nothing(value):
        return None
    number = _decimal(value)
    return None if number is not None and number.is_zero() else _number(value, name)


def _number(value: Any, name: str) -> str:
    """A positive number as a plain decimal string."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise InputError(name, "a price", "nothing")
    number = _decimal(value)
    if number is None or not number.is_finite() or number <= 0:
        raise InputError(name, "a positive number", _excerpt(value))
    # Checked before it is written out: 1e999999999 has few digits only like this.
    exponent = number.as_tuple().exponent
    if number.adjusted() >= MOST_INTEGER_DIGITS or not isinstance(exponent, int) or exponent < -MOST_DECIMALS:
        bounds = f"{MOST_INTEGER_DIGITS} digits before and {MOST_DECIMALS} after the point"
        raise InputError(name, f"at most {bounds}", _excerpt(value))
    return format(number, "f")


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    try:
        return Decimal(value.strip()) if isinstance(value, str) and value.isascii() and "_" not in value else None
    except InvalidOperation:
        return None


def _value(text: str | None) -> str | None:
    """Value of a number, however it is written: 94400 and 94400.00 are one price."""
    return text.rstrip("0").rstrip(".") if text and "." in text else text


def _excerpt(value: Any) -> str:
    text = _dumps(value)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


def _dumps(value: Any) -> str:
    """Write JSON in one way only, in ASCII, so that every database takes it. Decimals keep their digits."""
    return _JSON.encode(value)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
