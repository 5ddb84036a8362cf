"""The app: settings are read here, stores opened, routers joined. `create_app(home)` is what a server is given."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import to_thread
from fastapi import FastAPI

from api import auth, claimed, errors, health, keys, listing, performance, public, sessions, signals, strategies, verify
from api.gate import Arrivals, Gate
from api.limits import Limits
from api.quick import Answers, Quick
from api.seals import SealWatch
from api.shown import Shown
from api.state import State
from api.submissions import Submissions
from api.tokens import Tokens
from settings import load_settings, open_home
from store.cache import Cache
from store.lens_reader import Lens
from store.published import Published

# More would only wait for each other, and for the ledger's connections.
THREADS = 12
LISTS_BYTES = 8 * 1024 * 1024
DESCRIPTION = """\
Daily trading signals, sealed before the price is known, settled against the real market, published so that anybody
can check. Times carry their offset; `trade_date` is a trading session of the exchange, in Asia/Shanghai.
"""


def create_app(home: Path | None = None) -> FastAPI:
    """Make the app of a home (default: the settings'). The home must exist and be of this version."""
    settings, opened = load_settings(home), open_home(home)
    clock = opened.clock
    limits = Limits(settings.rate_limit)
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else None
    lens, shown = Lens(opened.path), Shown(opened.ledger)
    state = State(
        home=opened,
        lens=lens,
        limits=limits,
        tokens=Tokens(opened.path, secret),
        submissions=Submissions(opened.ledger, opened.sessions),
        seals=SealWatch(opened.ledger),
        shown=shown,
        published=Published(lens),
        answers=Answers(lens, shown),
        lists=Cache(LISTS_BYTES, len),
        simulated=clock.simulated,
        public_url=settings.public_url.rstrip("/"),
        journal_remote=opened.journal_remote,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        yield
        await state.submissions.finish()
        state.lens.close()

    app = FastAPI(
        title="Countersign",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.countersign = state
    errors.install(app)
    for module in (auth, keys, sessions, strategies, signals, claimed, listing, public, performance, verify, health):
        app.include_router(module.router)
    app.add_middleware(Quick, answers=state.answers)
    app.add_middleware(Gate, arrivals=Arrivals(clock.now, may_go_back=clock.simulated), limits=limits)
    return app
