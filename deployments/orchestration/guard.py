"""A guard before a server that only pages of its own, and programs of this machine, may talk to.

A browser lets any page send requests to this machine, by address (the request then names a foreign origin) or through
a host name that its owner points here (it then names a foreign host). Both are turned away before anything is done.
Programs name the host alone.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

API = "/api"


class Guard:
    """Lets requests to one of `urls` (`http://127.0.0.1:4200`) through to `app`, and from no page but theirs."""

    def __init__(self, app: ASGIApp, urls: Iterable[str]) -> None:
        self.app = app
        self.origins = frozenset(urls)
        self.hosts = frozenset(urlsplit(url).netloc for url in self.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 421 for another host, 403 for another page; hand on everything else."""
        if scope["type"] in {"http", "websocket"}:
            headers = Headers(scope=scope)
            if headers.getlist("host") not in ([host] for host in self.hosts):
                await _refuse(scope, receive, send, 421, f"expected one of the hosts {', '.join(sorted(self.hosts))}")
                return
            if not self._is_own_page(scope, headers):
                await _refuse(scope, receive, send, 403, "requests of other pages are refused")
                return
        await self.app(scope, receive, send)

    def _is_own_page(self, scope: Scope, headers: Headers) -> bool:
        """Whether a request comes from a page of ours, or from no page at all."""
        origins = headers.getlist("origin")
        if origins:
            return all(origin in self.origins for origin in origins)
        if headers.get("sec-fetch-site", "none") in {"none", "same-origin"}:
            return True
        # A link on another page may lead to ours: a browser shows it, and the other page sees nothing of it.
        followed = headers.get("sec-fetch-mode") == "navigate" and scope.get("method") == "GET"
        return followed and not scope["path"].startswith(API)


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": why})
        return
    await PlainTextResponse(f"{why}\n", status)(scope, receive, send)
