"""The app: settings are read here, stores opened, routers joined. A server is given `create_app(home)`."""

import resource
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import Lifespan

from api import (
    auth,
    claimed,
    errors,
    external,
    factor_values,
    factors,
    health,
    keys,
    listing,
    notifications,
    performance,
    portfolios,
    public,
    sessions,
    signals,
    strategies,
    streams,
    tickets,
    verify,
)
from api.addresses import Proxies
from api.column_bodies import ColumnReader
from api.description import Description
from api.gate import Arrivals, Gate
from api.hub import Hub
from api.limits import Limits
from api.passwords import Passwords
from api.queries import KNOWN_QUERIES
from api.quick import Answers, Quick
from api.seals import SealWatch
from api.shown import Shown
from api.state import State
from api.stopping import told_to_stop
from api.submissions import Submissions
from api.tokens import Tokens
from settings import load_settings, open_home
from store.cache import Cache
from store.closes import Closes
from store.commit_signers import CommitSigners
from store.instruments import KnownSymbols
from store.lens_reader import Lens
from store.published import Published
from store.receipts import ReceiptSigner

# More would only wait for each other, and for the ledger's connections.
THREADS = 12
# A stream is an open file, and many systems begin with no more than 1,024.
FILES = 4_096
LISTS_BYTES = 8 * 1024 * 1024
ROUTERS = (
    auth,
    keys,
    sessions,
    strategies,
    signals,
    claimed,
    factors,
    factor_values,
    portfolios,
    notifications,
    tickets,
    listing,
    public,
    performance,
    verify,
    external,
    streams,
    health,
)
# A request is held against one route after the other: those that are asked for most come first.
BUSIEST = (signals, listing, public, performance, verify)
DESCRIPTION = """\
Daily trading signals, sealed before the price is known, settled against the real market, published so that anybody
can check. Times carry their offset; `trade_date` is a trading session of the exchange, in Asia/Shanghai.
"""


def create_app(home: Path | None = None) -> FastAPI:
    """Make the app of a home (default: the settings'). The home must exist and be of this version."""
    settings, opened = load_settings(home), open_home(home)
    clock = opened.clock
    proxies = Proxies(settings.trusted_proxies)
    limits = Limits(settings.rate_limit, proxies)
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else None
    receipts = ReceiptSigner(opened.journal.keys)
    lens, shown, known = Lens(opened.path, opened.ledger), Shown(opened.ledger), KnownSymbols(opened.lake)
    state = State(
        home=opened,
        lens=lens,
        limits=limits,
        tokens=Tokens(opened.path, secret),
        submissions=Submissions(opened.ledger, opened.sessions, known, receipts),
        receipts=receipts,
        known=known,
        seals=SealWatch(opened.ledger, opened.journal, has_remote=bool(opened.journal_remote)),
        signers=CommitSigners(opened.journal),
        hub=Hub(opened),
        shown=shown,
        published=Published(lens, opened.lake),
        answers=Answers(lens, shown),
        lists=Cache(LISTS_BYTES, len),
        closes=Closes(opened.lake),
        columns=ColumnReader(),
        passwords=Passwords(),
        uploads=CapacityLimiter(1),
        validations=CapacityLimiter(1),
        simulated=clock.simulated,
        public_url=settings.public_url.rstrip("/"),
        journal_remote=opened.journal_remote,
        private_addresses=settings.private_addresses,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[dict[str, Proxies]]:
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        _allow_files()
        with told_to_stop(state.hub.end):
            yield {"proxies": proxies}  # for the protocol, which uvicorn hands it to
        await state.submissions.finish()
        state.columns.close()
        state.passwords.close()
        state.lens.close()

    app = bare_app(lifespan)
    app.state.countersign = state
    errors.install(app)
    app.add_middleware(Quick, answers=state.answers)
    app.add_middleware(Gate, arrivals=Arrivals(clock.now, may_go_back=clock.simulated), limits=limits)
    if settings.metrics:
        from api.metrics import PATH, Counting, Metrics  # noqa: PLC0415 - off by default

        metrics = Metrics(opened)
        app.add_route(PATH, metrics.answer, include_in_schema=False)
        app.add_middleware(Counting, metrics=metrics)
    return app


def _allow_files() -> None:
    """Raise the limit of open files of this process to its need, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def bare_app(lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """Join the routers, without a home to serve: enough for the OpenAPI document."""
    app = FastAPI(
        title="Countersign",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        # Held against a request before FastAPI's own, which writes the document down each time.
        routes=[Route("/openapi.json", Description().answer, include_in_schema=False)],
        dependencies=[KNOWN_QUERIES],
        openapi_tags=[{"name": tag} for tag in dict.fromkeys(tag for each in ROUTERS for tag in each.router.tags)],
    )
    for module in sorted(ROUTERS, key=lambda module: module not in BUSIEST):
        app.include_router(module.router)
    return app
