"""Accounts over HTTP: invitation, login, tokens, keys; stolen, ended and made-up ones are refused."""

import re
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from sqlmodel import select

from countersign.api.accounts.tokens import Tokens
from countersign.models.errors import InputError
from countersign.models.tables.accounts import ApiKey, InviteCode, User
from countersign.services.accounts.accounts import create_invite, disable_user, set_tier
from countersign.store.clock import wall_clock
from countersign.store.home import Home
from countersign.store.signing_keys import read_secrets, rotate_secrets
from tests.support.serving import invite_code, logged_in

LOGIN = {"email": "Ann@Example.com", "password": "correct horse battery"}


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def enter(home: Home, web: httpx.Client) -> dict[str, Any]:
    answer = web.post("/auth/invite", json={"invite_code": invite_code(home)})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_each_invitation_opens_another_anonymous_account(desk: Home, web: httpx.Client) -> None:
    code = {"invite_code": invite_code(desk, uses=2)}
    first, second, third = (web.post("/auth/invite", json=code) for _ in range(3))
    user = first.json()["user"]
    assert set(user) == {"id", "nickname", "email", "tier", "profile_complete", "has_password"}
    assert user["email"] == f"{user['nickname']}@countersign.local"
    assert (user["tier"], user["profile_complete"], user["has_password"]) == ("free", False, False)
    assert second.json()["user"]["id"] != user["id"]
    assert third.status_code == 400
    assert third.json() == {"detail": "invite_code: used up, it was good for 2 accounts"}
    assert web.post("/auth/invite", json={"invite_code": "made up"}).status_code == 400


def test_secrets_are_kept_as_hashes_alone(desk: Home, web: httpx.Client, me: dict[str, str]) -> None:
    key = me["Authorization"].removeprefix("Bearer ")
    assert key.startswith("csk_")
    web.patch("/auth/profile", json=LOGIN, headers=logged_in(desk, web, me))
    with desk.ledger.read() as db:
        texts = " ".join(map(str, [*db.exec(select(ApiKey)), *db.exec(select(InviteCode)), *db.exec(select(User))]))
        hashed = db.exec(select(User.password_hash)).one()
    assert key not in texts
    assert LOGIN["password"] not in texts
    assert hashed
    assert hashed.startswith("$argon2id$")
    mode = stat.S_IMODE((desk.path / "keys" / "jwt").stat().st_mode)
    assert mode == 0o600


def test_a_profile_is_set_and_its_login_opens_the_account(desk: Home, web: httpx.Client) -> None:
    token = bearer(enter(desk, web)["access_token"])
    answer = web.patch("/auth/profile", json={"nickname": "安_ann-1", **LOGIN}, headers=token)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["nickname"], answer.json()["email"]) == ("安_ann-1", "ann@example.com")
    assert answer.json()["profile_complete"] is True
    # Safe to repeat: the password that it sets is the current one.
    assert web.patch("/auth/profile", json=LOGIN, headers=token).json() == answer.json()
    entered = web.post("/auth/login", json={**LOGIN, "email": "ann@example.com"})
    assert entered.status_code == 200
    assert web.get("/auth/me", headers=bearer(entered.json()["access_token"])).json()["has_password"] is True
    for wrong in ({**LOGIN, "password": "wrong"}, {**LOGIN, "email": "bo@example.com"}):
        refused = web.post("/auth/login", json=wrong)
        assert (refused.status_code, refused.json()) == (401, {"detail": "Wrong e-mail or password"})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "x@quantgpt.local"}, "email"),
        ({"email": "x@countersign.LOCAL"}, "email"),
        ({"email": "no address"}, "email"),
        ({"nickname": "a"}, "nickname"),
        ({"nickname": "n" * 31}, "nickname"),
        ({"nickname": "no spaces"}, "nickname"),
        ({"nickname": "line\n"}, "nickname"),
        ({"password": "short"}, "password"),
        ({"password": "nul\0nul\0nul"}, "password"),
        ({"password": 12345678}, "password"),
        ({"password": "password1"}, "password"),
        ({"password": "aaaaaaaaaaaaaaaa"}, "password"),
        ({"password": "qwertyuiop"}, "password"),
        ({"password": "2024-01-02"}, "password"),
        ({"password": "ann-marie7", "nickname": "ann-marie"}, "password"),
        ({"password": "countersign1"}, "password"),
        ({"tier": "licensed"}, "tier"),
    ],
)
def test_a_faulty_profile_names_the_field(
    desk: Home, web: httpx.Client, me: dict[str, str], change: Any, field: str
) -> None:
    answer = web.patch("/auth/profile", json=change, headers=logged_in(desk, web, me))
    assert answer.status_code == 422
    [fault] = answer.json()["detail"]
    assert set(fault) == {"type", "loc", "msg"}
    assert fault["loc"] == ["body", field]


def test_names_are_unique(desk: Home, web: httpx.Client, me: dict[str, str], other: dict[str, str]) -> None:
    me, other = (logged_in(desk, web, each) for each in (me, other))
    assert web.patch("/auth/profile", json={"nickname": "ann", "email": "a@example.com"}, headers=me).status_code == 200
    for taken in ({"nickname": "ann"}, {"nickname": "ANN"}, {"email": "A@example.com"}):
        answer = web.patch("/auth/profile", json=taken, headers=other)
        assert answer.status_code == 409
        assert "taken" in answer.json()["detail"]
    assert web.patch("/auth/profile", json={"nickname": "ann"}, headers=me).status_code == 200


def test_a_refresh_token_gives_an_access_token_and_neither_serves_as_the_other(desk: Home, web: httpx.Client) -> None:
    session = enter(desk, web)
    answer = web.post("/auth/refresh", json={"refresh_token": session["refresh_token"]})
    assert set(answer.json()) == {"access_token"}
    assert web.get("/auth/me", headers=bearer(answer.json()["access_token"])).status_code == 200
    # One kind is not good for the other's purpose.
    assert web.post("/auth/refresh", json={"refresh_token": session["access_token"]}).status_code == 401
    assert web.get("/auth/me", headers=bearer(session["refresh_token"])).status_code == 401


def test_a_text_that_is_no_credential_is_refused(desk: Home, web: httpx.Client) -> None:
    user = enter(desk, web)["user"]
    [secret] = read_secrets(desk.path)
    claims = {"sub": user["id"], "typ": "access", "epoch": 0, "exp": wall_clock() + timedelta(hours=1)}
    kid = jwt.get_unverified_header(
        Tokens(desk.path).give(User(id=1, nickname="x", created_at=wall_clock()), "access", "login")
    )
    good = jwt.encode(claims, secret, "HS256", headers={"kid": kid["kid"]})
    assert web.get("/auth/me", headers=bearer(good)).status_code == 200
    forged = (
        jwt.encode(claims, "x" * 64, "HS256", headers={"kid": kid["kid"]}),
        jwt.encode(claims, None, "none", headers={"kid": kid["kid"]}),
        jwt.encode({**claims, "exp": wall_clock() - timedelta(seconds=1)}, secret, "HS256", headers=kid),
        jwt.encode({**claims, "sub": "no number"}, secret, "HS256", headers=kid),
        good[:-4] + "AAAA",
    )
    for text in (*forged, "csk_made-up", "csk_", "eyJ", "qgpt_x", "é", "x" * 5000):
        answer = web.get("/auth/me", headers={"Authorization": f"Bearer {text}".encode("latin-1")})
        assert answer.status_code in {400, 401}, text
        if answer.status_code == 401:
            assert answer.json() in ({"detail": "Invalid token"}, {"detail": "Not authenticated"})
            assert answer.headers["www-authenticate"] == "Bearer"
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}, {"x-api-key": ""}):
        assert web.get("/auth/me", headers=headers).json() == {"detail": "Not authenticated"}


def test_keys_are_shown_once_listed_and_revoked(
    desk: Home, web: httpx.Client, me: dict[str, str], other: dict[str, str]
) -> None:
    key = me["Authorization"].removeprefix("Bearer ")
    owner, stranger = logged_in(desk, web, me), logged_in(desk, web, other)
    assert web.get("/auth/me", headers={"x-api-key": key}).status_code == 200
    [listed] = web.get("/billing/api-keys", headers=me).json()["api_keys"]
    assert listed["masked"] == f"csk_...{key[-4:]}"
    assert key not in str(listed)
    mine = f"/billing/api-keys/{listed['id']}"
    for unknown in ("0", "999", "-1", "x", "9" * 40, "²"):
        assert web.delete(f"/billing/api-keys/{unknown}", headers=owner).status_code == 404
    assert web.delete(mine, headers=stranger).status_code == 404
    assert web.delete(mine, headers=owner).json() == {"deleted": True}
    assert web.get("/auth/me", headers=me).json() == {"detail": "Invalid token"}


def test_the_signing_key_is_rotated_without_ending_sessions(desk: Home, web: httpx.Client) -> None:
    before = enter(desk, web)["access_token"]
    rotate_secrets(desk.path)
    after = enter(desk, web)["access_token"]
    assert jwt.get_unverified_header(before)["kid"] != jwt.get_unverified_header(after)["kid"]
    for token in (before, after):
        assert web.get("/auth/me", headers=bearer(token)).status_code == 200
    # The old one is thrown away: its signatures are no longer good.
    path = desk.path / "keys" / "jwt"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert web.get("/auth/me", headers=bearer(before)).status_code == 401
    assert web.get("/auth/me", headers=bearer(after)).status_code == 200


def test_a_clock_that_steps_back_ends_no_session(tmp_path: Path) -> None:
    secret = "s" * 40
    tokens = Tokens(tmp_path, secret)
    user = User(id=7, nickname="x", created_at=wall_clock())
    header = jwt.get_unverified_header(tokens.give(user, "access", "login"))
    ahead = {"sub": "7", "typ": "access", "epoch": 0, "iat": wall_clock() + timedelta(hours=1)}
    token = jwt.encode({**ahead, "exp": ahead["iat"] + timedelta(hours=24)}, secret, "HS256", headers=header)
    claim = tokens.read(token, "access")
    assert claim is not None
    assert claim.user_id == 7


def test_a_disabled_account_is_shut_out(desk: Home, web: httpx.Client, me: dict[str, str]) -> None:
    session = enter(desk, web)
    web.patch("/auth/profile", json=LOGIN, headers=logged_in(desk, web, me))
    with desk.ledger.write() as db:
        for who in ("ann@example.com", session["user"]["nickname"]):
            disable_user(db, who, desk.clock.now())
    assert web.get("/auth/me", headers=me).json() == {"detail": "Account disabled"}
    assert web.post("/auth/login", json=LOGIN).status_code == 403
    holder, refreshing = bearer(session["access_token"]), {"refresh_token": session["refresh_token"]}
    for answer in (web.get("/auth/me", headers=holder), web.post("/auth/refresh", json=refreshing)):
        assert (answer.status_code, answer.json()) == (403, {"detail": "Account disabled"})
    with desk.ledger.write() as db:
        for who in ("ann@example.com", session["user"]["nickname"]):
            disable_user(db, who, desk.clock.now(), disabled=False)
    assert web.get("/auth/me", headers=me).status_code == 200
    # Keys are good again, tokens from before are not.
    assert web.get("/auth/me", headers=holder).status_code == 401
    assert web.post("/auth/refresh", json=refreshing).status_code == 401


def test_no_route_but_tickets_takes_a_disabled_account(desk: Home, web: httpx.Client) -> None:
    """Every route of the api, asked with a token."""
    session = enter(desk, web)
    with desk.ledger.write() as db:
        disable_user(db, session["user"]["id"], desk.clock.now())
    holder, checked, taken = bearer(session["access_token"]), 0, set[str]()
    base = str(web.base_url).removesuffix("/api/v1/")
    for path, methods in web.get(f"{base}/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            if "security" not in operation:
                continue
            checked += 1
            answer = web.request(method, base + re.sub(r"{\w+}", "1", path), headers=holder)
            if (answer.status_code, answer.json().get("detail")) != (403, "Account disabled"):
                taken.add(f"{method} {path} {answer.status_code}")
    assert checked > 40
    assert taken == {"post /api/v1/tickets 422", "get /api/v1/tickets 200", "get /api/v1/tickets/{ticket_id} 404"}


def test_a_tier_shows_its_limits_and_an_operator_raises_it(desk: Home, web: httpx.Client, me: dict[str, str]) -> None:
    universes = ["hs300", "csi500", "csi1000", "csi2000", "etf_all"]
    free = {"tier": "free", "max_strategies": 3, "strategy_universes": universes}
    assert web.get("/billing/tier", headers=me).json() == free
    with desk.ledger.write() as db:
        set_tier(db, web.get("/auth/me", headers=me).json()["id"], "licensed", desk.clock.now())
    assert web.get("/billing/tier", headers=me).json()["max_strategies"] == 20
    assert web.get("/billing/tiers").json()["tiers"][0] == free


def test_an_invite_for_nobody_is_refused(desk: Home) -> None:
    with pytest.raises(InputError, match="uses"), desk.ledger.write() as db:
        create_invite(db, 0, desk.clock.now())
