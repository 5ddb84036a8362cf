"""Group commit: submissions that arrive while one transaction is on its way to the disk share the next one."""

import asyncio

from anyio import to_thread

from domain.sessions import Sessions
from models.errors import CountersignError
from store.desk import Receipt
from store.instruments import KnownSymbols
from store.ledger import Ledger
from store.signals import Submission, submit_each

MAX_BATCH = 1_000

Waiting = tuple[Submission, "asyncio.Future[Receipt]"]


class Submissions:
    """Records submissions; each gets its own receipt or refusal, whatever becomes of the others in its batch.

    The known symbols are brought up to date with each batch, once it is recorded.
    """

    def __init__(self, ledger: Ledger, sessions: Sessions, known: KnownSymbols) -> None:
        self._ledger, self._sessions, self._known = ledger, sessions, known
        self._queue: list[Waiting] = []
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, submission: Submission) -> Receipt:
        """Record one; raises what refuses it. Once taken in, it is recorded even if nobody waits for the answer."""
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
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
                if isinstance(outcome, Receipt):
                    future.set_result(outcome)
                else:
                    future.set_exception(outcome)

    def _record(self, submissions: list[Submission]) -> list[Receipt | CountersignError | Exception]:
        outcomes = submit_each(self._ledger, self._sessions, submissions)
        self._known.refresh()
        return list(outcomes)
