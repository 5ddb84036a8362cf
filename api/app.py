"""The app: settings are read here, stores opened, routers joined. A server is given `create_app(home)`."""

import resource
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import Lifespan

from countersign.api.accounts.passwords import Passwords
from countersign.api.accounts.tokens import Tokens
from countersign.api.app_state import AppState
from countersign.api.description import Description
from countersign.api.live.broadcaster import Broadcaster
from countersign.api.live.group_commit import Submissions
from countersign.api.live.seal_waiter import SealWaiter
from countersign.api.requests.addresses import Proxies
from countersign.api.requests.column_bodies import ColumnReader
from countersign.api.requests.limits import Limits
from countersign.api.requests.queries import KNOWN_QUERIES
from countersign.api.requests.request_guard import Arrivals, RequestGuard
from countersign.api.responses import errors
from countersign.api.responses.public_index import PublicIndex
from countersign.api.responses.response_cache import CachedResponses, ResponseCache
from countersign.api.routers import (
    accounts,
    claimed_performance,
    external,
    factor_values,
    factors,
    keys,
    notifications,
    portfolios,
    signals,
    strategies,
    streams,
    tickets,
)
from countersign.api.routers.public import health, listing, performance, proofs, sessions, track_records
from countersign.api.stopping import on_stop_signal
from countersign.services.market.closes import Closes
from countersign.services.market.instruments import KnownSymbols
from countersign.services.publication.track_records import TrackRecords
from countersign.settings import load_settings, open_home
from countersign.store.journal.commit_signers import CommitSigners
from countersign.store.journal.receipts import ReceiptSigner
from countersign.store.lens.cache import Cache
from countersign.store.lens.reader import Lens

# More would only wait for each other, and for the ledger's connections.
THREADS = 12
# A stream is an open file, and many systems begin with no more than 1,024.
FILES = 4_096
LISTS_BYTES = 8 * 1024 * 1024
ROUTERS = (
    accounts,
    keys,
    sessions,
    strategies,
    signals,
    claimed_performance,
    factors,
    factor_values,
    portfolios,
    notifications,
    tickets,
    listing,
    track_records,
    performance,
    proofs,
    external,
    streams,
    health,
)
# A request is held against one route after the other: those that are asked for most come first.
BUSIEST = (signals, listing, track_records, performance, proofs)
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
    lens, shown, known = Lens(opened.path, opened.ledger), PublicIndex(opened.ledger), KnownSymbols(opened.lake)
    state = AppState(
        home=opened,
        lens=lens,
        limits=limits,
        tokens=Tokens(opened.path, secret),
        submissions=Submissions(opened.ledger, opened.sessions, known, receipts),
        receipts=receipts,
        known=known,
        seal_waiter=SealWaiter(opened.ledger, opened.journal, has_remote=bool(opened.journal_remote)),
        signers=CommitSigners(opened.journal),
        broadcaster=Broadcaster(opened),
        public_index=shown,
        track_records=TrackRecords(lens, opened.lake),
        response_cache=ResponseCache(lens, shown),
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
        with on_stop_signal(state.broadcaster.end):
            yield {"proxies": proxies}  # for the protocol, which uvicorn hands it to
        await state.submissions.finish()
        state.columns.close()
        state.passwords.close()
        state.lens.close()

    app = bare_app(lifespan)
    app.state.countersign = state
    errors.install(app)
    app.add_middleware(CachedResponses, answers=state.response_cache)
    app.add_middleware(RequestGuard, arrivals=Arrivals(clock.now, may_go_back=clock.simulated), limits=limits)
    if settings.metrics:
        from countersign.api.metrics import PATH, Counting, RequestMetrics  # noqa: PLC0415 - off by default

        metrics = RequestMetrics(opened)
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
        generate_unique_id_function=lambda route: route.name,
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
