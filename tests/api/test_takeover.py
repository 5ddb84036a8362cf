"""Taking an account over: with a stolen key, a stolen token, many guesses at once, and an owner's e-mail."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from typing import Any

import argon2
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

import countersign.api.accounts.passwords
from countersign.api.requests.addresses import Proxies, network
from countersign.api.requests.limits import LOGINS_A_MINUTE, Limits
from countersign.models.tables.accounts import ApiKey
from countersign.models.tables.notifications import Address
from countersign.settings import load_settings
from countersign.store.home import Home
from tests.support.serving import browsing, join, logged_in

LOGIN = {"email": "ann@example.com", "password": "correct horse battery"}
PASSWORD = LOGIN["password"]
Headers = dict[str, str]


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make passwords cheap to check, and stop time: a slow machine would give back tries as they are made."""
    quick = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(countersign.api.accounts.passwords, "_hasher", quick)
    monkeypatch.setattr(Limits.__init__, "__defaults__", (None, lambda: 0.0))
    countersign.api.accounts.passwords._nobodys.cache_clear()
    load_settings.cache_clear()
    yield
    countersign.api.accounts.passwords._nobodys.cache_clear()
    load_settings.cache_clear()


@pytest.fixture
def owner(desk: Home, web: httpx.Client, me: Headers) -> Headers:
    """The login of the account of key `me`, with a password."""
    mine = logged_in(desk, web, me)
    assert web.patch("/auth/profile", json=LOGIN, headers=mine).status_code == 200
    return mine


def test_a_stolen_key_takes_no_account_over(desk: Home, web: httpx.Client, me: Headers, owner: Headers) -> None:
    [key] = web.get("/billing/api-keys", headers=me).json()["api_keys"]
    for proof in ({}, {"current_password": PASSWORD}):
        for method, path, body in (
            ("PATCH", "/auth/profile", {"password": "another long password of mine"}),
            ("PATCH", "/auth/profile", {"email": "thief@example.com"}),
            ("PATCH", "/auth/profile", {"nickname": "thief", "email": "thief@example.com"}),
            ("POST", "/billing/api-keys", {"name": "thief"}),
            ("DELETE", f"/billing/api-keys/{key['id']}", {}),
        ):
            answer = web.request(method, path, json=body | proof, headers=me)
            assert answer.status_code == 403, answer.text
            assert "log in (POST /api/v1/auth/login)" in answer.json()["detail"]
    assert web.get("/auth/me", headers=me).json()["email"] == LOGIN["email"]
    assert web.post("/auth/login", json=LOGIN).status_code == 200
    with desk.ledger.read() as db:
        assert len(db.exec(select(ApiKey)).all()) == 1
    # A name takes nothing over.
    assert web.patch("/auth/profile", json={"nickname": "ann"}, headers=me).json()["nickname"] == "ann"


def test_a_key_without_a_password_to_its_account_sets_none(web: httpx.Client, me: Headers) -> None:
    assert web.patch("/auth/profile", json=LOGIN, headers=me).status_code == 403
    assert web.post("/auth/login", json=LOGIN).status_code == 401


@pytest.mark.parametrize(
    ("proof", "words"),
    [
        ({}, "this needs current_password: the account's password as it is"),
        ({"current_password": "wrong"}, "current_password: not the account's password"),
    ],
)
def test_a_stolen_token_takes_no_account_over(web: httpx.Client, owner: Headers, proof: Any, words: str) -> None:
    [key] = web.get("/billing/api-keys", headers=owner).json()["api_keys"]
    for method, path, body in (
        ("PATCH", "/auth/profile", {"email": "thief@example.com"}),
        ("POST", "/billing/api-keys", {"name": "thief"}),
        ("DELETE", f"/billing/api-keys/{key['id']}", {}),
    ):
        answer = web.request(method, path, json=body | proof, headers=owner)
        assert (answer.status_code, answer.json()) == (403, {"detail": words})
    taken = web.patch("/auth/profile", json={"password": "another long password of mine"} | proof, headers=owner)
    assert taken.status_code == 403
    assert web.post("/auth/login", json=LOGIN).status_code == 200


def test_an_owner_changes_the_account_with_the_current_password(web: httpx.Client, owner: Headers) -> None:
    proof = {"current_password": PASSWORD}
    made = web.post("/billing/api-keys", json={"name": "second"} | proof, headers=owner)
    assert made.status_code == 201
    spare = {"x-api-key": made.json()["api_key"]}
    elsewhere = web.post("/auth/login", json=LOGIN).json()
    change = {"email": "ann2@example.com", "password": "another long password of mine"}
    assert web.patch("/auth/profile", json=change | proof, headers=owner).status_code == 200
    # The login that changed it goes on, as do keys; every other login ends.
    assert web.get("/auth/me", headers=owner).json()["email"] == "ann2@example.com"
    assert web.get("/auth/me", headers=spare).status_code == 200
    other = {"Authorization": f"Bearer {elsewhere['access_token']}"}
    assert web.get("/auth/me", headers=other).status_code == 401
    assert web.post("/auth/refresh", json={"refresh_token": elsewhere["refresh_token"]}).status_code == 401
    assert web.post("/auth/login", json=LOGIN).status_code == 401
    assert web.post("/auth/login", json=change).status_code == 200
    proof = {"current_password": change["password"]}
    path = f"/billing/api-keys/{made.json()['id']}"
    assert web.request("DELETE", path, json=proof, headers=owner).status_code == 200
    assert web.get("/auth/me", headers=spare).status_code == 401


def test_a_new_email_ends_other_logins_and_a_name_does_not(web: httpx.Client, owner: Headers) -> None:
    elsewhere = {"Authorization": f"Bearer {web.post('/auth/login', json=LOGIN).json()['access_token']}"}
    same = {"nickname": "anna", "email": "ANN@example.com", "current_password": PASSWORD}
    assert web.patch("/auth/profile", json=same, headers=owner).status_code == 200
    assert web.get("/auth/me", headers=elsewhere).status_code == 200
    changed = {"email": "ann2@example.com", "current_password": PASSWORD}
    assert web.patch("/auth/profile", json=changed, headers=owner).status_code == 200
    assert web.get("/auth/me", headers=elsewhere).status_code == 401
    assert web.get("/auth/me", headers=owner).status_code == 200


def test_addresses_that_a_stolen_key_added_go_with_it(desk: Home, web: httpx.Client, me: Headers) -> None:
    owner = logged_in(desk, web, me)

    def add(name: str, headers: Headers) -> None:
        added = web.post("/notifications/addresses", json={"url": f"https://example.com/{name}"}, headers=headers)
        assert added.status_code == 201

    for name, headers in (("thief", me), ("owner", owner), ("both", me), ("both", owner), ("owner", me)):
        add(name, headers)
    [key] = web.get("/billing/api-keys", headers=owner).json()["api_keys"]
    assert web.delete(f"/billing/api-keys/{key['id']}", headers=owner).status_code == 200
    with desk.ledger.read() as db:
        left = db.exec(select(Address.url)).all()
    assert {url.rpartition("/")[2] for url in left} == {"owner", "both"}


def test_two_hundred_guesses_at_once_are_twenty(web: httpx.Client, owner: Headers) -> None:
    def guess(n: int) -> int:
        return web.post("/auth/login", json={**LOGIN, "password": f"guess {n}"}).status_code

    with ThreadPoolExecutor(50) as pool:
        codes = list(pool.map(guess, range(200)))
    # Some may find the queue of those that wait full (503): they learned nothing.
    assert codes.count(401) <= LOGINS_A_MINUTE
    assert set(codes) <= {401, 429, 503}
    late = web.post("/auth/login", json=LOGIN)
    assert late.status_code == 429
    assert int(late.headers["retry-after"]) >= 1
    assert "too many failed logins" in late.json()["detail"]
    # Nor is a change with a guessed password a way around.
    answer = web.patch("/auth/profile", json={"email": "x@example.com", "current_password": "guess"}, headers=owner)
    assert answer.status_code == 429


def test_right_passwords_use_nothing_up(web: httpx.Client, owner: Headers) -> None:
    codes = [web.post("/auth/login", json=LOGIN).status_code for _ in range(LOGINS_A_MINUTE + 5)]
    assert set(codes) == {200}


def test_nobody_locks_an_owner_out_from_elsewhere(desk: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_TRUSTED_PROXIES", '["127.0.0.1"]')
    load_settings.cache_clear()
    with browsing(desk) as web:
        web.patch("/auth/profile", json=LOGIN, headers=logged_in(desk, web, join(desk, web)))

        def log_in(address: str, password: str) -> int:
            # The proxy adds its caller's address; the caller made up the rest.
            headers = {"X-Forwarded-For": f"203.0.113.9, {address}"}
            return web.post("/auth/login", json={**LOGIN, "password": password}, headers=headers).status_code

        codes = [log_in(f"2001:db8:0:7::{n:x}", "wrong") for n in range(1, LOGINS_A_MINUTE + 2)]
        assert codes == [401] * LOGINS_A_MINUTE + [429]
        assert log_in("2001:db8:0:7::1", PASSWORD) == 429
        assert log_in("2001:db8:0:8::1", PASSWORD) == 200
        assert log_in("203.0.113.9", PASSWORD) == 200


def test_a_header_that_no_proxy_of_ours_wrote_is_not_believed(web: httpx.Client, owner: Headers) -> None:
    codes = [
        web.post(
            "/auth/login", json={**LOGIN, "password": "wrong"}, headers={"X-Forwarded-For": f"198.51.100.{n}"}
        ).status_code
        for n in range(LOGINS_A_MINUTE + 1)
    ]
    assert codes == [401] * LOGINS_A_MINUTE + [429]


@pytest.mark.parametrize(
    ("peer", "header", "client"),
    [
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "made up, 198.51.100.7:5123", "198.51.100.7"),
        ("10.0.0.1", "192.0.2.1, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7, nonsense", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "[2001:db8::5]:443", "2001:db8::/64"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "198.51.100.7", "127.0.0.1"),
        ("198.51.100.8", "198.51.100.7", "198.51.100.8"),
    ],
)
def test_the_last_hop_that_is_no_proxy_of_ours_is_the_client(peer: str, header: str | None, client: str) -> None:
    proxies = Proxies([ip_network("10.0.0.0/8")])
    headers = [(b"x-forwarded-for", header.encode())] if header else []
    assert proxies.client({"client": (peer, 1), "headers": headers}) == client


@given(st.lists(st.ip_addresses().map(str)), st.ip_addresses().map(str))
def test_a_client_cannot_choose_its_address(made_up: list[str], real: str) -> None:
    proxies = Proxies([ip_network("10.1.2.3/32")])
    header = ", ".join([*made_up, real]).encode()
    found = proxies.client({"client": ("10.1.2.3", 1), "headers": [(b"x-forwarded-for", header)]})
    if real != "10.1.2.3":
        assert found == network(real)


def test_an_account_that_is_not_there_costs_the_same(
    desk: Home, web: httpx.Client, owner: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One comparison with a hash of the same cost, for known and unknown accounts."""
    costs = []

    class Noting(argon2.PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Any:  # noqa: A002 - the base class's name
            costs.append(argon2.extract_parameters(str(hash)))
            return super().verify(hash, password)

    monkeypatch.setattr(
        countersign.api.accounts.passwords, "_hasher", Noting(time_cost=1, memory_cost=8, parallelism=1)
    )
    answers = [
        web.post("/auth/login", json={"email": email, "password": "wrong"})
        for email in (LOGIN["email"], "nobody@example.com")
    ]
    assert [(each.status_code, each.json()) for each in answers] == [(401, {"detail": "Wrong e-mail or password"})] * 2
    assert len(costs) == 2
    assert costs[0] == costs[1]
