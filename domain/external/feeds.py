"""Feeds: checks of address, key, type and mapping, before anything is kept or sent."""

import ipaddress
import json
import re

from pydantic import ValidationError

from countersign.domain.external.paths import check_path
from countersign.domain.strict_json import read_json
from countersign.models.errors import InputError
from countersign.models.feeds import ADAPTERS, DIRECTIONS, NO_SETTINGS, FeedMapping, FeedTerms
from countersign.models.tables.external import NAME_PATTERN, SIGNAL_TYPES

# Stricter than the web: no user name, query or fragment, as they would be shown wherever the address is.
_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::([0-9]{1,5}))?(/[A-Za-z0-9._~/-]*)?", re.ASCII)
MAX_URL, MAX_KEY, MAX_FILTER = 500, 200, 60


def check_feed(terms: FeedTerms) -> None:
    """Raise InputError for the first fault of a feed; the key is never repeated."""
    name, adapter, key, signal_type = terms.name, terms.adapter, terms.key, terms.type
    if not re.fullmatch(NAME_PATTERN, name):
        raise InputError("name", "2 to 49 of a-z, 0-9, _ and -, a letter or digit first", name)
    if adapter not in ADAPTERS:
        raise InputError("adapter", f"one of {', '.join(ADAPTERS)}", adapter)
    require_safe(terms.url)
    if key is not None and not (re.fullmatch(r"[!-~]+", key) and len(key) <= MAX_KEY):
        raise InputError("key", f"1 to {MAX_KEY} printable ASCII letters, without spaces")
    if adapter == "generic_json":
        read_mapping(terms.settings)
        return
    if terms.settings != NO_SETTINGS:
        raise InputError("mapping", "none: the adapter cqs knows its feed")
    if signal_type and signal_type not in SIGNAL_TYPES:
        raise InputError("type", f"one of {', '.join(SIGNAL_TYPES)}", signal_type)


def check_new_feed(terms: FeedTerms) -> None:
    """Raise InputError as check_feed does, and for a mapping that can never work.

    The latter is for a feed that is entered: one that is polled already goes on with what it has.
    """
    check_feed(terms)
    if terms.adapter != "generic_json":
        return
    try:
        read_json(terms.settings)
    except ValueError as error:
        raise InputError("mapping", "JSON that has one meaning", error) from None
    mapping = read_mapping(terms.settings)
    if mapping.items:
        check_path("mapping.items", mapping.items)
    for name, path in mapping.fields.items():
        check_path(f"mapping.fields.{name}", path)
    words: dict[str, str] = {}
    for word, side in mapping.directions.items():
        first = words.setdefault(fold(word), word)
        if first != word:
            twice = f"{json.dumps(first)} and {json.dumps(word)}"
            raise InputError("mapping.directions", "each word once, without regard to case", twice)
        if side.strip().upper() not in DIRECTIONS:
            raise InputError("mapping.directions", f"{' or '.join(DIRECTIONS)} for {json.dumps(word)}")


def fold(word: str) -> str:
    """Return a word in the form for comparison: without regard to case and surrounding space."""
    return word.strip().casefold()


def require_safe(url: str) -> None:
    """Raise InputError unless a key may be sent to this address: by https, or to this machine itself."""
    found = _URL.fullmatch(url)
    if found is None or len(url) > MAX_URL or int(found[3] or 1) not in range(1, 65_536):
        # The address is not repeated: it may hold a password.
        raise InputError("url", "an address such as https://host/path, without user name, query and fragment")
    if found[1] == "http" and not _is_loopback(found[2].strip("[]")):
        raise InputError("url", "https (plain http goes to this machine alone)", url)


def read_mapping(settings: str) -> FeedMapping:
    """Read a mapping; InputError names its faulty field, and repeats no value: a parameter may be a secret."""
    try:
        return FeedMapping.model_validate_json(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in ("mapping", *first["loc"]))
        raise InputError(place, first["msg"].removeprefix("Value error, expected ")) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
