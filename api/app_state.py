"""State of the api: the home's stores and this process's own helpers, made once by `create_app` for the routers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from countersign.api.accounts.passwords import Passwords
from countersign.api.accounts.tokens import Tokens
from countersign.api.live.broadcaster import Broadcaster
from countersign.api.live.group_commit import Submissions
from countersign.api.live.seal_waiter import SealWaiter
from countersign.api.requests.column_bodies import ColumnReader
from countersign.api.requests.limits import Limits
from countersign.api.requests.request_guard import ARRIVAL, WHOLE
from countersign.api.responses.public_index import PublicIndex
from countersign.api.responses.response_cache import ResponseCache
from countersign.services.market.closes import Closes
from countersign.services.market.instruments import KnownSymbols
from countersign.services.publication.track_records import TrackRecords
from countersign.store.home import Home
from countersign.store.journal.commit_signers import CommitSigners
from countersign.store.journal.receipts import ReceiptSigner
from countersign.store.lens.cache import Cache
from countersign.store.lens.reader import Lens


@dataclass(frozen=True)
class AppState:
    """One platform, as the api sees it. `public_url` is where readers reach it, without a final slash.

    Work that takes much memory goes one by one: `uploads` of factor values, and `validations` with all that reads them.
    """

    home: Home
    lens: Lens
    limits: Limits
    tokens: Tokens
    submissions: Submissions
    receipts: ReceiptSigner
    known: KnownSymbols
    seal_waiter: SealWaiter
    signers: CommitSigners
    broadcaster: Broadcaster
    public_index: PublicIndex
    track_records: TrackRecords
    response_cache: ResponseCache
    lists: Cache[bytes]
    closes: Closes
    columns: ColumnReader
    passwords: Passwords
    uploads: CapacityLimiter
    validations: CapacityLimiter
    simulated: bool
    public_url: str
    journal_remote: str | None
    private_addresses: bool


async def _state(request: Request) -> AppState:
    state: AppState = request.app.state.countersign
    return state


def received_at(request: Request) -> datetime:
    """Return when the last byte that was read of a request came: of its body, or of its head where nobody read a body.

    A route that reads the body by itself asks once it has read it.
    """
    moment: datetime = request.scope.get(WHOLE, request.scope[ARRIVAL])
    return moment


async def _received_at(request: Request) -> datetime:
    return received_at(request)


State = Annotated[AppState, Depends(_state)]
# The time when the request had wholly arrived is `now` for all that it asks for. FastAPI reads a body first.
Now = Annotated[datetime, Depends(_received_at)]
