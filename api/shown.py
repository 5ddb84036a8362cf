"""Which strategies everyone may see: looked up once a second for all readers of this process, not for each."""

import asyncio
import time

from anyio import to_thread

from store.ledger import Ledger
from store.visible import public_slugs

SECONDS = 1.0


class Shown:
    """The slugs of the public strategies. Hiding one holds at once in this process, in others within a second."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._slugs: frozenset[str] = frozenset()
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def contains(self, slug: str) -> bool:
        """Whether a strategy of that slug is public."""
        if time.monotonic() >= self._until:
            async with self._lock:
                if time.monotonic() >= self._until:
                    until = time.monotonic() + SECONDS
                    self._slugs, self._until = await to_thread.run_sync(self._read), until
        return slug in self._slugs

    def forget(self) -> None:
        """Look again before the next answer."""
        self._until = 0.0

    def _read(self) -> frozenset[str]:
        with self._ledger.read() as db:
            return public_slugs(db)
