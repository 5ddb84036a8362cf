"""Waiting for seals: one look at the ledger for all who wait in this process, twenty times a second."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from anyio import to_thread

from models.errors import StoreError
from store.ledger import Ledger
from store.seals import Sealed, read_seals, sealer_at_work

PATIENCE_SECONDS = 2.0
POLL_SECONDS = 0.05


class SealWatch:
    """Tells each waiting submission when its signal is sealed."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: dict[int, list[asyncio.Future[Sealed | None]]] = {}
        self._watch: asyncio.Task[None] | None = None

    async def wait_for(self, signal_id: int, seconds: float = PATIENCE_SECONDS) -> Mapping[str, Any]:
        """Return the answer's `attestation`, as soon as the signal is sealed and after `seconds` at the latest."""
        future: asyncio.Future[Sealed | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(signal_id, []).append(future)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look())
        try:
            async with asyncio.timeout(seconds):
                return attestation(await future, at_work=False)
        except TimeoutError:
            return attestation(None, at_work=True)
        finally:
            self._forget(signal_id, future)

    def _forget(self, signal_id: int, future: "asyncio.Future[Sealed | None]") -> None:
        others = [other for other in self._waiting.pop(signal_id, []) if other is not future]
        if others:
            self._waiting[signal_id] = others

    async def _look(self) -> None:
        while self._waiting:
            with suppress(StoreError):  # busy: the next look will do
                sealed, at_work = await to_thread.run_sync(self._read, list(self._waiting))
                for signal_id in list(self._waiting):
                    if signal_id in sealed or not at_work:
                        for future in self._waiting.pop(signal_id):
                            if not future.done():
                                future.set_result(sealed.get(signal_id))
            await asyncio.sleep(POLL_SECONDS)

    def _read(self, signal_ids: list[int]) -> tuple[dict[int, Sealed], bool]:
        with self._ledger.read() as db:
            # In this order: a sealer that leaves between the two has sealed what it was about to.
            at_work = sealer_at_work(db)
            return read_seals(db, signal_ids), at_work


def attestation(seal: Sealed | None, *, at_work: bool) -> Mapping[str, Any]:
    """Say whether a signal is sealed, and if not, whether a sealer is at work that will do it."""
    if seal is None:
        return {"committed": False, "reason": "sealer_busy" if at_work else "repo_not_configured"}
    return {"committed": True, "sha": seal.commit_sha, "pushed": seal.pushed_at is not None}
