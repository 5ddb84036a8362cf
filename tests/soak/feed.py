"""A feed that remembers its answers, so that stored signals can be held against them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from countersign.domain.external.feed_simulation import SimulatedFeed


class RememberingFeed:
    """The simulated feed; `answered` has the contents it gave of each signal, `last` those of its newest answer."""

    def __init__(self, seed: int) -> None:
        self._feed = SimulatedFeed(seed)
        self.answered: set[tuple[str, str]] = set()
        self.last: set[tuple[str, str]] = set()
        self.answers = 0

    def is_broken(self, now: datetime) -> bool:
        """Whether it is down at that time: never."""
        return self._feed.is_broken(now)

    def answer(self, form: Mapping[str, str], now: datetime) -> dict[str, Any]:
        """Answer a request."""
        answer = self._feed.answer(form, now)
        self.last = {(each["id"], each["stop_loss"]) for each in answer["signals"]}
        self.answered |= self.last
        self.answers += 1
        return answer
