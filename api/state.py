"""State of the api: the home's stores and this process's own helpers, made once by `create_app` for the routers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from api.column_bodies import ColumnReader
from api.gate import ARRIVAL, WHOLE
from api.hub import Hub
from api.limits import Limits
from api.passwords import Passwords
from api.quick import Answers
from api.seals import SealWatch
from api.shown import Shown
from api.submissions import Submissions
from api.tokens import Tokens
from store.cache import Cache
from store.closes import Closes
from store.commit_signers import CommitSigners
from store.home import Home
from store.instruments import KnownSymbols
from store.lens_reader import Lens
from store.published import Published
from store.receipts import ReceiptSigner


@dataclass(frozen=True)
class State:
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
    seals: SealWatch
    signers: CommitSigners
    hub: Hub
    shown: Shown
    published: Published
    answers: Answers
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


async def _state(request: Request) -> State:
    state: State = request.app.state.countersign
    return state


def received_at(request: Request) -> datetime:
    """Return when the last byte that was read of a request came: of its body, or of its head where nobody read a body.

    A route that reads the body by itself asks once it has read it.
    """
    moment: datetime = request.scope.get(WHOLE, request.scope[ARRIVAL])
    return moment


async def _received_at(request: Request) -> datetime:
    return received_at(request)


Here = Annotated[State, Depends(_state)]
# The time when the request had wholly arrived is `now` for all that it asks for. FastAPI reads a body first.
Now = Annotated[datetime, Depends(_received_at)]
