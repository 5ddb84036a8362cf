"""Accounts that cannot help themselves: the operator's codes, revoked keys, and strategies that nobody owns."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import argon2
import httpx
import pytest
from sqlmodel import col, select

import countersign.api.accounts.passwords
import countersign.services.accounts.custody
from countersign import cli
from countersign.models.tables.accounts import UNCLAIMED, User
from countersign.models.tables.notifications import Address
from countersign.models.tables.operations import AuditEntry, account
from countersign.services.attestation.sealing import seal_pending
from countersign.settings import load_settings
from countersign.store.home import Home
from tests.support.homes import Databases, copy_home, disposed, make_home
from tests.support.journals import git
from tests.support.serving import SIGNAL, browsing, join, logged_in, open_one
from tests.support.strategies import open_strategies, send

SET = {"password": "correct horse battery staple", "email": "ann@example.com"}
PASSWORD = SET["password"]
NOW = datetime(2025, 1, 2, 1, tzinfo=UTC)
Headers = dict[str, str]
Admin = Callable[..., tuple[int, Any]]


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    quick = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(countersign.api.accounts.passwords, "_hasher", quick)
    countersign.api.accounts.passwords._nobodys.cache_clear()
    yield
    countersign.api.accounts.passwords._nobodys.cache_clear()


def operator(home: Home, capsys: pytest.CaptureFixture[str]) -> Admin:
    """Give the operator's command: words in; exit code, and its JSON or its error, out."""

    def run(*words: str) -> tuple[int, Any]:
        load_settings.cache_clear()
        capsys.readouterr()
        code = cli.run(["admin", *words, "--home", str(home.path), "--json"])
        said = capsys.readouterr()
        return code, said.err if code else json.loads(said.out)

    return run


@pytest.fixture
def admin(desk: Home, capsys: pytest.CaptureFixture[str]) -> Admin:
    """The operator of `desk`."""
    return operator(desk, capsys)


def me_of(web: httpx.Client, headers: Headers) -> dict[str, Any]:
    found: dict[str, Any] = web.get("/auth/me", headers=headers).json()
    return found


def audit(home: Home, *actions: str) -> list[tuple[str, str, str]]:
    with home.ledger.read() as db:
        rows = db.exec(select(AuditEntry).where(col(AuditEntry.action).in_(actions)).order_by(col(AuditEntry.id)))
        return [(row.actor, row.action, row.subject) for row in rows]


def test_who_has_a_key_alone_comes_in_again_by_a_code(
    desk: Home, web: httpx.Client, me: Headers, admin: Admin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    mine = me_of(web, me)
    elsewhere = logged_in(desk, web, me)
    assert web.patch("/auth/profile", json=SET, headers=me).status_code == 403  # the way in that a key has not
    code, given = admin("password-code", mine["nickname"])
    assert (code, given["nickname"], given["use"]) == (0, mine["nickname"], "POST /api/v1/auth/password")
    [told] = web.get("/notifications", headers=me).json()["notifications"]
    assert (told["kind"], "if you did not ask for it" in told["text"]) == ("account_changed", True)
    body = SET | {"code": given["code"]}
    done = web.post("/auth/password", json=body)
    assert done.status_code == 200, done.text
    entered = {"Authorization": f"Bearer {done.json()['access_token']}"}
    assert me_of(web, entered) == mine | {"email": SET["email"], "profile_complete": True, "has_password": True}
    # Once; every other login has ended, the key goes on, and the owner can end it now.
    assert web.post("/auth/password", json=body).status_code == 400
    assert web.get("/auth/me", headers=elsewhere).status_code == 401
    assert web.post("/auth/login", json=SET).status_code == 200
    [key] = web.get("/billing/api-keys", headers=me).json()["api_keys"]
    proof = {"current_password": PASSWORD}
    assert web.request("DELETE", f"/billing/api-keys/{key['id']}", json=proof, headers=entered).status_code == 200
    who = account(int(mine["id"]))
    assert audit(desk, "password code given", "password set by code") == [
        ("operator", "password code given", who),
        (who, "password set by code", who),
    ]
    with desk.ledger.read() as db:
        rows = " ".join(map(str, [*db.exec(select(User)), *db.exec(select(AuditEntry))]))
    for secret in (given["code"], PASSWORD):
        assert secret not in rows + caplog.text
        assert not any(secret in path.read_text(errors="replace") for path in desk.path.rglob("*.log"))


def test_a_code_is_good_once_however_many_try(web: httpx.Client, me: Headers, admin: Admin) -> None:
    _, given = admin("password-code", me_of(web, me)["id"])

    def use(n: int) -> int:
        body = {"code": given["code"], "password": f"{PASSWORD} {n}", "email": f"a{n}@example.com"}
        return web.post("/auth/password", json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(use, range(8))) == [200] + [400] * 7


@pytest.mark.parametrize("end", ["newer", "old", "disabled", "changed"])
def test_a_code_ends(
    desk: Home, web: httpx.Client, me: Headers, admin: Admin, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """A newer code, time, the account's own end, and a password that its owner sets take it away."""
    who = me_of(web, me)["id"]
    if end == "old":
        monkeypatch.setattr(countersign.services.accounts.custody, "CODE_LIFETIME", timedelta(0))
    _, given = admin("password-code", who)
    if end == "newer":
        admin("password-code", who)
    if end == "disabled":
        admin("disable", who)
        assert admin("password-code", who)[0] == 1
        admin("disable", who, "--undo")
    if end == "changed":
        login = logged_in(desk, web, me)
        assert web.patch("/auth/profile", json={"password": "another " + PASSWORD}, headers=login).status_code == 200
    answer = web.post("/auth/password", json=SET | {"code": given["code"]})
    assert (answer.status_code, answer.json()["detail"][:5]) == (400, "code:")


def test_a_faulty_request_uses_no_code_up_and_says_nothing_without_one(
    desk: Home, web: httpx.Client, me: Headers, other: Headers, admin: Admin
) -> None:
    web.patch("/auth/profile", json={"email": "bo@example.com"}, headers=logged_in(desk, web, other))
    _, given = admin("password-code", me_of(web, me)["id"])
    code = {"code": given["code"]}
    for body, status, field in (
        (code | {"password": PASSWORD}, 422, "email"),
        (code | SET | {"password": "password1"}, 422, "password"),
        (code | SET | {"email": "BO@example.com"}, 409, "email: bo@example.com is taken"),
        ({"code": "made up", "password": "password1"}, 400, "code: not one that is good"),
    ):
        answer = web.post("/auth/password", json=body)
        assert answer.status_code == status
        assert field in answer.text
    assert web.post("/auth/password", json=code | SET).status_code == 200


def test_accounts_are_listed_disabled_and_lose_their_keys(
    desk: Home, web: httpx.Client, me: Headers, other: Headers, admin: Admin
) -> None:
    mine = me_of(web, me)
    open_one(web, me, "alpha")
    web.post("/notifications/addresses", json={"url": "https://example.com/thief"}, headers=me)
    _, rows = admin("accounts")
    assert [(row["nickname"], row["keys"], row["strategies"], row["has_password"]) for row in rows] == [
        (mine["nickname"], 1, 1, False),
        (me_of(web, other)["nickname"], 1, 0, False),
    ]
    assert admin("revoke-keys", mine["nickname"].upper()) == (0, {"nickname": mine["nickname"], "revoked": 1})
    assert web.get("/auth/me", headers=me).status_code == 401
    assert web.get("/auth/me", headers=other).status_code == 200
    with desk.ledger.read() as db:
        assert db.exec(select(Address)).all() == []
    assert admin("disable", mine["id"])[0] == 0
    assert admin("accounts")[1][0]["disabled_at"] is not None
    assert admin("disable", mine["id"], "--undo")[0] == 0
    who = account(int(mine["id"]))
    assert audit(desk, "keys revoked", "account disabled", "account enabled") == [
        ("operator", "keys revoked", who),
        ("operator", "account disabled", who),
        ("operator", "account enabled", who),
    ]
    assert [actor for actor, _, subject in audit(desk, "invite made") if subject.startswith("invite:")] == [
        "operator"
    ] * 2


@pytest.fixture
def restored(sqlite_ledgers: Databases, tmp_path: Path) -> Iterator[Home]:
    """A home restored from before two strategies were opened, which it knows from the journal alone."""
    newest = make_home(tmp_path / "newest", sqlite_ledgers.ledger("sqlite"))
    newest.clock.set(NOW)
    old = copy_home(sqlite_ledgers, newest, tmp_path / "old")
    open_strategies(newest, NOW, "lost", "lost-too")
    send(newest, NOW.date(), {"lost": {"600001.SH": 0.5}, "lost-too": {"600001.SH": 0.5}}, NOW)
    seal_pending(newest, NOW)
    shutil.rmtree(old.journal.path)
    git(tmp_path, "clone", "-q", "--bare", str(newest.journal.path), str(old.journal.path))
    seal_pending(old, NOW)
    with disposed(old.database_url):
        yield old


def test_a_strategy_of_nobody_is_given_to_somebody(restored: Home, capsys: pytest.CaptureFixture[str]) -> None:
    admin = operator(restored, capsys)
    with browsing(restored) as web:
        me, other = join(restored, web), join(restored, web)
        mine = me_of(web, me)["nickname"]
        open_one(web, other, "alpha")
        for words, code, said in (
            (("alpha", mine), 2, "expected one of unclaimed: lost, lost-too, got alpha"),
            (("nothing", mine), 2, "got nothing"),
            (("lost", "nobody-of-that-name"), 2, "user: expected the nickname"),
            (("lost", UNCLAIMED), 1, "is disabled"),
        ):
            done = admin("give-strategy", *words)
            assert (done[0], said in done[1]) == (code, True)
        assert web.get("/strategies", headers=me).json()["strategies"] == []
        assert admin("give-strategy", "lost", mine) == (0, {"strategy": "lost", "owner": mine})
        assert [row["slug"] for row in web.get("/strategies", headers=me).json()["strategies"]] == ["lost"]
        [told] = web.get("/notifications", headers=me).json()["notifications"]
        assert told["text"].startswith("lost is yours: ")
        # It is sent to like any other from now on, after the revision whose content was lost.
        signal = {"trade_date": str(NOW.date()), "signals": SIGNAL}
        assert web.post("/strategies/lost/signals", json=signal, headers=other).status_code == 404
        sent = web.post("/strategies/lost/signals", json=signal, headers=me)
        assert (sent.status_code, sent.json()["revision"]) == (201, 2)
        # Given is given: it is not unclaimed any more.
        assert admin("give-strategy", "lost", me_of(web, other)["nickname"])[0] == 2
    assert audit(restored, "strategy given") == [("operator", "strategy given", "lost")]


def test_nobody_becomes_unclaimed(restored: Home, capsys: pytest.CaptureFixture[str]) -> None:
    admin = operator(restored, capsys)
    for words in (("disable", UNCLAIMED, "--undo"), ("password-code", UNCLAIMED)):
        assert admin(*words)[0] == 1
    with restored.ledger.read() as db:
        assert db.exec(select(User).where(User.nickname == UNCLAIMED)).one().disabled_at is not None
