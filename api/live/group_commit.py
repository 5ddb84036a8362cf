"""Group commit: submissions that arrive while one transaction is on its way to the disk share the next one."""

import asyncio
from typing import NamedTuple

from anyio import to_thread

from countersign.domain.sessions import Sessions
from countersign.domain.verification.receipts import Accepted
from countersign.models.errors import CountersignError
from countersign.services.market.instruments import KnownSymbols
from countersign.services.signals.acceptance import Receipt
from countersign.services.signals.submission import Submission, submit_each
from countersign.store.journal.receipts import ReceiptSigner
from countersign.store.ledger.ledger import Ledger

MAX_BATCH = 1_000


class Taken(NamedTuple):
    """A submission that was recorded, and the receipt that its sender may keep; None where there is no key."""

    recorded: Receipt
    signed: dict[str, str] | None


Waiting = tuple[Submission, "asyncio.Future[Taken]"]


class Submissions:
    """Records submissions; each gets its own receipt or refusal, independently of the others in its batch.

    The known symbols are brought up to date with each batch, once it is recorded.
    """

    def __init__(self, ledger: Ledger, sessions: Sessions, known: KnownSymbols, signer: ReceiptSigner) -> None:
        self._ledger, self._sessions, self._known, self._signer = ledger, sessions, known, signer
        self._queue: list[Waiting] = []
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, submission: Submission) -> Taken:
        """Record one, or raise its refusal. Once taken in, it is recorded even if nobody waits for the answer."""
        future: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._queue.append((submission, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    async def finish(self) -> None:
        """Wait until everything taken in is recorded."""
        if self._worker is not None:
            await self._worker

    async def _work(self) -> None:
        while self._queue:
            batch, self._queue = self._queue[:MAX_BATCH], self._queue[MAX_BATCH:]
            try:
                outcomes = await to_thread.run_sync(self._record, [submission for submission, _ in batch])
            except Exception as error:
                outcomes = [error] * len(batch)
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if future.done():
                    continue
                if isinstance(outcome, Taken):
                    future.set_result(outcome)
                else:
                    future.set_exception(outcome)

    def _record(self, submissions: list[Submission]) -> list[Taken | CountersignError | Exception]:
        outcomes = submit_each(self._ledger, self._sessions, submissions)
        self._known.refresh()
        return [self._sign(outcome) if isinstance(outcome, Receipt) else outcome for outcome in outcomes]

    def _sign(self, recorded: Receipt) -> Taken:
        facts = (recorded.strategy, recorded.session, recorded.revision, recorded.signal_hash, recorded.received_at)
        return Taken(recorded, self._signer.sign(Accepted(*facts)))
