"""The feed `cqs`: one POST a poll, one envelope {error, message, count, signals} back.

A POST, as the address of a GET would hold the key, and addresses end up in logs.
"""

from typing import Any

import httpx

from countersign.domain.external.paths import find_missing
from countersign.domain.external.polling import PollAction, action_for
from countersign.models.feeds import ITEM_REQUIRED, LONGEST_WINDOW_MINUTES, FeedTerms
from countersign.sources.external.feed_answers import TOTAL_SECONDS, Asker

FREE_KEY = "FREE"
ENDPOINT = "getSignal"


class CqsFeed:
    """Signals of one key and one set of filters."""

    longest_window_minutes = LONGEST_WINDOW_MINUTES

    def __init__(self, terms: FeedTerms, total_seconds: float = TOTAL_SECONDS) -> None:
        """The address is the base, or that of the endpoint itself."""
        base = terms.url.rstrip("/")
        self._url = f"{base}/" if base.endswith(f"/{ENDPOINT}") else f"{base}/{ENDPOINT}/"
        filters = {"exchange": terms.exchange, "currency": terms.currency, "type": terms.type}
        self._form = {"api_key": terms.key or FREE_KEY} | {name: value for name, value in filters.items() if value}
        self._asker = Asker(terms.name, None if terms.key == FREE_KEY else terms.key, total_seconds)
        self.missing: tuple[str, ...] | None = None

    async def fetch(self, client: httpx.AsyncClient, window_minutes: int) -> list[Any]:
        """Return the items of the last `window_minutes`, as they came; see sources.external.feeds.Feed."""
        form = self._form | {"interval": str(window_minutes)}
        answer = await self._asker.ask(client, "POST", self._url, data=form)
        code = _code(answer.json)
        if code is None:
            self._asker.refuse_status(answer)
            raise self._asker.not_json(answer)
        message = str(answer.json.get("message") or "")
        action = action_for(code, message)
        if action is not PollAction.STORE:
            raise self._asker.refuse(action, f"error {code}, {message}", answer)
        self._asker.refuse_status(answer)
        items = self._asker.items(answer, answer.json.get("signals"))
        self.missing = find_missing(items, {name: name for name in ITEM_REQUIRED}) if items else None
        return items


def _code(envelope: Any) -> int | None:
    """The envelope's error code, a number or its digits; None where this is no envelope."""
    code = envelope.get("error") if isinstance(envelope, dict) else None
    if isinstance(code, str) and code.isascii() and code.isdecimal():
        return int(code[:9])
    return code if isinstance(code, int) and not isinstance(code, bool) else None
