"""Which strategies everyone may see: looked up once a second for all readers of this process, not for each."""

import asyncio
import time

from anyio import to_thread

from countersign.services.publication.public_strategies import Visible, read_visible
from countersign.store.ledger.ledger import Ledger

SECONDS = 1.0


class PublicIndex:
    """The public strategies. A change holds at once in the process that made it, in others within a second."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._visible: dict[str, Visible] = {}
        self._until = 0.0
        self._changes = self._editions = 0
        self._lock = asyncio.Lock()

    @property
    def edition(self) -> int | None:
        """Number of the state that is known now, counted up at each change; None where it is time to look again."""
        return self._editions if time.monotonic() < self._until else None

    async def find(self, slug: str) -> Visible | None:
        """Return the public strategy of that slug; None for a hidden one, as for one that never was."""
        if time.monotonic() >= self._until:
            async with self._lock:
                if time.monotonic() >= self._until:
                    await self._refresh()
        return self._visible.get(slug)

    def forget(self) -> None:
        """Look again before the next answer."""
        self._changes += 1
        self._until = 0.0

    async def _refresh(self) -> None:
        changes, until = self._changes, time.monotonic() + SECONDS
        visible = await to_thread.run_sync(self._read)
        if visible != self._visible:
            self._visible = visible
            self._editions += 1
        # A state read during a change may be the one before it.
        self._until = until if changes == self._changes else 0.0

    def _read(self) -> dict[str, Visible]:
        with self._ledger.read() as db:
            return read_visible(db)
