"""Prefect's server: who is let in. It can run anything as its user, so nobody is but who has the words."""

import base64
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from countersign.deployments.orchestration.server import running_server
from countersign.models.errors import StoreError
from countersign.store.prefect_login import ensure_login, read_login
from tests.support.hostile_page import ATTACK, hostile_page
from tests.support.waiting import PATIENCE_SECONDS

OPEN = {"/health", "/ready"}
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def server(served_home: Path) -> str:
    """The address of a running server."""
    return str(running_server(served_home)).removesuffix("/api")


@pytest.fixture(scope="module")
def operator(served_home: Path, server: str) -> Iterator[httpx.Client]:
    """Somebody who has the words."""
    login = httpx.BasicAuth(*read_login(served_home).split(":", 1))
    with httpx.Client(base_url=server, auth=login, timeout=PATIENCE_SECONDS, trust_env=False) as client:
        yield client


def ask(server: str, method: str, path: str, **headers: str) -> int:
    with httpx.Client(base_url=server, timeout=PATIENCE_SECONDS, trust_env=False) as client:
        return client.request(method, path, headers=headers).status_code


def routes() -> Iterator[APIRoute | APIWebSocketRoute]:
    from prefect.server.api.server import API_ROUTERS  # noqa: PLC0415 - a second of imports

    for router in API_ROUTERS:
        yield from (route for route in router.routes if isinstance(route, APIRoute | APIWebSocketRoute))


def test_every_request_of_the_api_needs_the_words(server: str, operator: httpx.Client) -> None:
    asked = 0
    for route in routes():
        if isinstance(route, APIRoute) and route.path not in OPEN:
            for method in route.methods:
                asked += 1
                assert ask(server, method, f"/api{route.path}") == 401, (method, route.path)
    assert asked > 150
    assert ask(server, "GET", "/api/version") == 401
    wrong = base64.b64encode(b"operator:" + b"0" * 64).decode()
    assert ask(server, "POST", "/api/flows/filter", Authorization=f"Basic {wrong}") == 401
    assert operator.get("/api/version").status_code == 200


def test_every_socket_needs_the_words(server: str) -> None:
    sockets = {route.path for route in routes() if isinstance(route, APIWebSocketRoute)}
    assert {"/events/in", "/events/out", "/logs/out", "/task_runs/subscriptions/scheduled"} <= sockets
    for path in sockets:
        address = f"{server.replace('http', 'ws')}/api{path}"
        for token in ("", "operator:guess"):
            with pytest.raises((ConnectionClosed, InvalidStatus)), connect(address, subprotocols=["prefect"]) as socket:  # type: ignore[list-item]
                socket.send(f'{{"type": "auth", "token": "{token}"}}')
                socket.recv(PATIENCE_SECONDS)


def test_another_host_or_page_is_turned_away_even_with_the_words(
    server: str, served_home: Path, operator: httpx.Client
) -> None:
    host = urlsplit(server).netloc
    words = {"Authorization": "Basic " + base64.b64encode(read_login(served_home).encode()).decode()}
    for other in ("evil.test", f"evil.test:{urlsplit(server).port}", "127.0.0.1:1", "", f"{host}.evil.test"):
        assert ask(server, "GET", "/api/version", Host=other, **words) == 421, other
        assert ask(server, "GET", "/", Host=other) == 421, other
    for origin in ("http://evil.test", "null", "http://127.0.0.1:1", server.replace("http", "https"), f"{server}.test"):
        assert ask(server, "POST", "/api/flows/filter", Origin=origin, **words) == 403, origin
        with pytest.raises(InvalidStatus), connect(f"{server.replace('http', 'ws')}/api/events/in", origin=origin):  # type: ignore[arg-type]
            pass
    for site in ("cross-site", "same-site"):
        assert ask(server, "GET", "/api/version", **{"Sec-Fetch-Site": site}, **words) == 403
        assert (
            ask(server, "GET", "/api/version", **{"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}, **words) == 403
        )
    assert ask(server, "GET", "/ui-settings", **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}) == 200
    assert operator.post("/api/flows/filter", json={}, headers={"Origin": server}).status_code == 200
    assert operator.get("/api/version", headers={"Host": host.replace("127.0.0.1", "localhost")}).status_code == 200
    assert ask(server, "GET", "/api/version", Host="x", Origin=server) == 421


@contextmanager
def browser(*arguments: str) -> Iterator[Any]:
    """A real browser; the test is skipped where there is none."""
    if BROWSER is None:
        pytest.skip("no chromium on this machine")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a process of its own, for these tests alone

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", *arguments])
        try:
            yield running
        finally:
            running.close()


def flows_named(operator: httpx.Client, name: str) -> list[Any]:
    found = operator.post("/api/flows/filter", json={"flows": {"name": {"any_": [name]}}})
    answer: list[Any] = found.raise_for_status().json()
    return answer


def test_a_page_in_the_operators_browser_reads_and_does_nothing(server: str, operator: httpx.Client) -> None:
    """From another origin, and under a name of its own that leads to this machine."""
    rebound = f"http://evil.test:{urlsplit(server).port}"
    with hostile_page() as elsewhere, browser("--host-resolver-rules=MAP evil.test 127.0.0.1") as running:
        page = running.new_page()
        page.goto(elsewhere)
        seen = dict(page.evaluate(ATTACK, server))
        assert seen == {how: "" if how in {"blind", "untyped"} else "refused" for how in seen}
        assert len(seen) == 6
        assert page.goto(rebound).status == 421
        assert dict(page.evaluate(ATTACK, rebound)) | {"socket": ""} == {
            how: "" if how == "socket" else f"expected one of the hosts {hosts(server)}\n" for how in seen
        }
    assert flows_named(operator, "evil") == []
    assert operator.post("/api/flows/", json={"name": "good"}).status_code == 201
    assert len(flows_named(operator, "good")) == 1


def hosts(server: str) -> str:
    port = urlsplit(server).port
    return f"127.0.0.1:{port}, localhost:{port}"


def test_the_operator_logs_in_with_the_words_and_sees_the_flows(
    server: str, served_home: Path, operator: httpx.Client
) -> None:
    operator.post("/api/flows/", json={"name": "seen-by-its-operator"}).raise_for_status()
    with browser() as running:
        page = running.new_page()
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        page.goto(server)
        page.wait_for_url("**/login**")
        page.locator("input[type=password]").fill(read_login(served_home))
        page.keyboard.press("Enter")
        page.wait_for_url("**/dashboard**")
        page.goto(f"{server}/v2/flows")
        page.get_by_text("seen-by-its-operator").first.wait_for()


def test_the_words_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    words = ensure_login(tmp_path)
    assert ensure_login(tmp_path) == words
    path = tmp_path / "keys" / "prefect"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    with pytest.raises(StoreError, match="for its owner alone"):
        ensure_login(tmp_path)
    path.chmod(0o600)
    path.write_text("short\n")
    with pytest.raises(StoreError, match="a name, a colon and a secret"):
        ensure_login(tmp_path)
