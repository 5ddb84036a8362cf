"""Waiting for seals: one look at the ledger for all who wait in this process, twenty times a second."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from anyio import to_thread

from countersign.models.errors import StoreError
from countersign.services.attestation.pushing import is_push_failing
from countersign.services.attestation.seals import SealStatus, read_seals, sealer_at_work
from countersign.store.journal.journal import Journal
from countersign.store.ledger.ledger import Ledger

PATIENCE_SECONDS = 2.0
POLL_SECONDS = 0.05
BUSY = {"committed": False, "reason": "sealer_busy"}
# There is no journal to seal into; a remote is another matter.
NO_JOURNAL = {"committed": False, "reason": "repo_not_configured"}


class SealWaiter:
    """Tells each waiting submission when its signal is sealed.

    Nobody waits while no sealer is at work: one that starts first seals all recorded signals, which takes longer.
    """

    def __init__(self, ledger: Ledger, journal: Journal, *, has_remote: bool) -> None:
        self._ledger, self._journal, self._has_remote = ledger, journal, has_remote
        self._waiting: dict[int, list[asyncio.Future[Mapping[str, Any]]]] = {}
        self._watch: asyncio.Task[None] | None = None

    async def wait_for(self, signal_id: int, seconds: float = PATIENCE_SECONDS) -> Mapping[str, Any]:
        """Return the answer's `attestation`, as soon as the signal is sealed and after `seconds` at the latest."""
        future: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(signal_id, []).append(future)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._poll())
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            return BUSY
        finally:
            self._forget(signal_id, future)

    def _forget(self, signal_id: int, future: "asyncio.Future[Mapping[str, Any]]") -> None:
        others = [other for other in self._waiting.pop(signal_id, []) if other is not future]
        if others:
            self._waiting[signal_id] = others

    async def _poll(self) -> None:
        while self._waiting:
            with suppress(StoreError):  # busy: the next look will do
                known = await to_thread.run_sync(self._read, list(self._waiting))
                for signal_id in known.keys() & self._waiting.keys():
                    for future in self._waiting.pop(signal_id):
                        if not future.done():
                            future.set_result(known[signal_id])
            await asyncio.sleep(POLL_SECONDS)

    def _read(self, signal_ids: list[int]) -> dict[int, Mapping[str, Any]]:
        """Return the answers there are: for sealed signals, and for all others too where no sealer is at work."""
        with self._ledger.read() as db:
            # In this order: a sealer that leaves between the two has sealed all that it had begun.
            at_work = sealer_at_work(db)
            sealed = read_seals(db, signal_ids)
            failing = self._has_remote and bool(sealed) and is_push_failing(db)
        known = {signal_id: _committed(seal, failing=failing) for signal_id, seal in sealed.items()}
        if at_work:
            return known
        return dict.fromkeys(signal_ids, BUSY if self._journal.exists else NO_JOURNAL) | known


def _committed(seal: SealStatus, *, failing: bool) -> Mapping[str, Any]:
    pushed = seal.pushed_at is not None
    reason = {"reason": "push_failed"} if failing and not pushed else {}
    return {"committed": True, "sha": seal.commit_sha, "pushed": pushed} | reason
