"""Signal feeds: one interface for whoever publishes signals to be polled.

A feed answers with its items as they are, under the field names of the feed `cqs`; making signals of them is for
domain.external, and when to ask for domain.polling.
"""

import ipaddress
from typing import Any, Protocol

import httpx

from models.errors import InputError
from sources.cqs import CqsFeed
from sources.feed_answers import TOTAL_SECONDS
from sources.generic_json import GenericFeed

ADAPTERS: dict[str, type[CqsFeed] | type[GenericFeed]] = {"cqs": CqsFeed, "generic_json": GenericFeed}


class Feed(Protocol):
    """Whoever publishes signals."""

    @property
    def longest_window_minutes(self) -> int:
        """How far back it can be asked."""
        ...

    async def fetch(self, client: httpx.AsyncClient, window_minutes: int) -> list[Any]:
        """Return the items of the last `window_minutes`.

        SourceBusy where asking again later may help, SourceRefused where it will not: a bad key, a bad configuration.
        Neither names the key.
        """
        ...


def open_feed(
    name: str,
    adapter: str,
    url: str,
    key: str | None = None,
    *,
    exchange: str | None = None,
    currency: str | None = None,
    signal_type: str | None = None,
    settings: str = "{}",
    total_seconds: float = TOTAL_SECONDS,
) -> Feed:
    """Open the feed of a source. InputError names what is wrong with it; the key is never repeated."""
    require_safe(url)
    if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key != ""):
        raise InputError("key", "a text of printable ASCII letters without spaces around it")
    if adapter not in ADAPTERS:
        raise InputError("adapter", f"one of {', '.join(ADAPTERS)}", adapter)
    return ADAPTERS[adapter](
        name,
        url,
        key,
        exchange=exchange,
        currency=currency,
        signal_type=signal_type,
        settings=settings,
        total_seconds=total_seconds,
    )


def require_safe(url: str) -> None:
    """Raise InputError unless a key may be sent to this address: by https, or to this machine itself.

    User names, queries and fragments are refused: what they hold would be shown wherever the address is.
    """
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        raise InputError("url", "an address such as https://host") from None
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise InputError("url", "an address without user name, query and fragment")
    if not parsed.host or parsed.scheme not in {"http", "https"}:
        raise InputError("url", "an address such as https://host", url)
    if parsed.scheme == "http" and not _is_loopback(parsed.host):
        raise InputError("url", "https (plain http goes to this machine alone)", url)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
