"""JSON that means several things, or harm: every route that takes a body refuses it, and none fails over it."""

import re
from collections.abc import Iterator

import httpx
import pytest

from countersign.api.app import bare_app
from countersign.api.requests.json_bodies import StrictRoute
from countersign.services.accounts.accounts import grant_admin
from countersign.store.home import Home
from tests.support.serving import browsing, join, logged_in

JSON = {"Content-Type": "application/json"}
# No route takes any of these.
HOSTILE = {
    "twice": b'{"name": "a", "name": "b"}',
    "twice, once escaped": b'{"name": "a", "\\u006eame": "b"}',
    "twice, deep inside": b'{"name": {"a": [{"b": 1, "b": 1}]}}',
    "twice, a surrogate": b'{"\\ud800": 1, "\\ud800": 2}',
    "a surrogate for a name": b'{"\\ud800": 1}',
    "a surrogate for a text": b'{"name": "\\ud800", "title": "\\udfff", "slug": "\\ud800", "url": "\\ud800"}',
    "no number": b'{"name": NaN, "weight": Infinity, "value": -Infinity}',
    "a huge number": b'{"name": 1e999, "holding_period": 1e999, "initial_capital": 1e999}',
    "a huge whole number": b'{"name": 1' + b"0" * 400 + b', "holding_period": 1' + b"0" * 400 + b"}",
    "too many digits": b'{"name": ' + b"9" * 5_000 + b"}",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and whole": b"[" * 50_000 + b"]" * 50_000,
    "no unicode": b'{"name": "\xff"}',
    "nothing": b"",
    "null": b"null",
}


def bodies() -> list[tuple[str, str]]:
    """The method and path of every operation that takes a body, their parameters filled in."""
    found = []
    for path, methods in bare_app().openapi()["paths"].items():
        for method, operation in methods.items():
            if "requestBody" in operation:
                found.append((method.upper(), re.sub(r"{\w+}", "1", path)))
    return found


@pytest.fixture
def administrator(desk: Home, web: httpx.Client) -> dict[str, str]:
    """The login of somebody who may ask for everything."""
    key = join(desk, web)
    with desk.ledger.write() as db:
        grant_admin(db, web.get("/auth/me", headers=key).json()["nickname"], desk.clock.now())
    return logged_in(desk, web, key)


@pytest.fixture
def web(desk: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """The api, which may be asked as often as one likes."""
    monkeypatch.setenv("COUNTERSIGN_RATE_LIMIT", "0")
    with browsing(desk) as client:
        yield client


def test_no_route_takes_them_or_fails_over_them(web: httpx.Client, administrator: dict[str, str]) -> None:
    base = str(web.base_url).removesuffix("/api/v1/")
    taken = {}
    for method, path in bodies():
        for name, body in HOSTILE.items():
            answer = web.request(method, base + path, content=body, headers=administrator | JSON)
            optional = method == "DELETE" and name in {"nothing", "null"}
            if answer.status_code not in ({200, 404} if optional else {400, 404, 422}):
                taken[f"{method} {path}, {name}"] = answer.status_code
            if name.startswith("twice") and not path.endswith("/values"):
                assert answer.status_code == 422, (path, name)
                (fault,) = answer.json()["detail"]
                assert (fault["loc"][0], fault["msg"]) == ("body", "expected each name once in an object")
    assert len(bodies()) > 15
    assert taken == {}


def test_every_route_reads_its_body_strictly() -> None:
    from countersign.api.app import ROUTERS  # noqa: PLC0415

    kinds = {(module.__name__, type(route)) for module in ROUTERS for route in module.router.routes}
    assert {kind for _, kind in kinds} == {StrictRoute}
