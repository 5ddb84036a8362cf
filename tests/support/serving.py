"""The api on a port of its own, in a thread of the test's process, and people who use it."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.routing import BaseRoute, Route

from countersign.api.accounts.tokens import Tokens, new_login
from countersign.api.app import bare_app, create_app
from countersign.api.requests.protocol import GuardedProtocol
from countersign.services.accounts.accounts import create_invite, find_user
from countersign.store.home import Home
from tests.support.waiting import PATIENCE_SECONDS

# To read the authorities' certificates takes a client longer than its test, and nothing here is encrypted.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
SIGNAL = [{"symbol": "600519.SH", "weight": 0.5}, {"symbol": "000001.SZ", "weight": 0.25}]


@contextmanager
def serving(
    home: Home,
    prepare: Callable[[FastAPI], object] = lambda _app: None,
    send_bytes: int | None = None,
    protocol: type[GuardedProtocol] = GuardedProtocol,
) -> Iterator[str]:
    """Serve a home; yields the address. `prepare` is given the app before.

    `send_bytes`: how much the system takes of an answer before its reader does, where its own choice is too much.
    """
    app = create_app(home.path)
    _share_routes(app)
    prepare(app)
    config = uvicorn.Config(
        app,
        port=0,
        log_level="warning",
        lifespan="on",
        timeout_keep_alive=60,
        http=protocol,
        ws="none",
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.005)
    line = server.servers[0].sockets[0]
    if send_bytes:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
    try:
        yield f"http://127.0.0.1:{line.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


@cache
def _routes() -> list[BaseRoute]:
    return bare_app().router.routes


def _share_routes(app: FastAPI) -> None:
    """Take the routers from one app for all: each would work out all its routes at its first request, 0.3 s of a test.

    Other routes are of the app's own: its document, its metrics.
    """
    for n, route in enumerate(_routes()):
        if not isinstance(route, Route):
            app.router.routes[n] = route


def get(url: str, **options: Any) -> httpx.Response:
    """Ask a server on this machine."""
    return httpx.get(url, timeout=PATIENCE_SECONDS, verify=NO_AUTHORITIES, **options)


@contextmanager
def browsing(home: Home, protocol: type[GuardedProtocol] = GuardedProtocol, **options: Any) -> Iterator[httpx.Client]:
    """Serve a home to somebody without an account."""
    with (
        serving(home, protocol=protocol) as url,
        httpx.Client(base_url=f"{url}/api/v1", timeout=PATIENCE_SECONDS, verify=NO_AUTHORITIES, **options) as client,
    ):
        yield client


def invite_code(home: Home, uses: int = 10) -> str:
    """A fresh invite code."""
    with home.ledger.write() as db:
        return create_invite(db, uses, home.clock.now())


def join(home: Home, client: httpx.Client) -> dict[str, str]:
    """Open an account and make a key; return the headers that carry it."""
    answer = client.post("/auth/invite", json={"invite_code": invite_code(home)}).json()
    token = {"Authorization": f"Bearer {answer['access_token']}"}
    key = client.post("/billing/api-keys", json={"name": "agent"}, headers=token)
    assert key.status_code == 201, key.text
    return {"Authorization": f"Bearer {key.json()['api_key']}"}


def logged_in(home: Home, client: httpx.Client, key: dict[str, str]) -> dict[str, str]:
    """Log the owner of a key in, by the back door; return the headers that carry the token."""
    me = client.get("/auth/me", headers=key).json()
    with home.ledger.read() as db:
        user = find_user(db, me["nickname"])
    return {"Authorization": f"Bearer {Tokens(home.path).give(user, 'access', new_login())}"}


def open_one(client: httpx.Client, headers: dict[str, str], slug: str = "alpha", **terms: Any) -> dict[str, Any]:
    """Open a strategy."""
    answer = client.post("/strategies", json={"name": slug, "slug": slug, **terms}, headers=headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found
