"""Strategies over HTTP: their terms, states and owners."""

from typing import Any

import httpx
import pytest

from countersign.store.home import Home
from tests.support.serving import open_one
from tests.support.strategies import send

TERMS = {
    "name": "HS300 ML Alpha",
    "slug": "hs300-ml-alpha",
    "universe": "hs300",
    "execution_price": "open",
    "holding_period": 10,
    "initial_capital": 1000000,
    "commission_rate": 0.0003,
    "slippage_rate": 0.002,
}


def test_a_strategy_is_opened_with_the_documents_defaults(web: httpx.Client, me: dict[str, str]) -> None:
    given = web.post("/strategies", json=TERMS, headers=me)
    assert given.status_code == 201
    expected = TERMS | {"description": None, "status": "pending", "is_public": True, "owner_key": None}
    expected |= {"activated_at": None, "retired_at": None, "created_at": "2025-01-02T01:00:00+00:00"}
    assert given.json() == expected
    plain = open_one(web, me, "plain")
    assert {name: plain[name] for name in TERMS} == TERMS | {"name": "plain", "slug": "plain"}
    assert web.get("/strategies/hs300-ml-alpha", headers=me).json() == expected
    assert [each["slug"] for each in web.get("/strategies", headers=me).json()["strategies"]] == [
        "hs300-ml-alpha",
        "plain",
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": "Upper"}, "slug"),
        ({"slug": "ab"}, "slug"),
        ({"slug": "-abc"}, "slug"),
        ({"slug": "a" * 50}, "slug"),
        ({"slug": "abc\n"}, "slug"),
        ({"name": ""}, "name"),
        ({"name": "nul\0"}, "name"),
        ({"name": None}, "name"),
        ({"universe": "sp500"}, "universe"),
        ({"execution_price": "vwap"}, "execution_price"),
        ({"holding_period": 0}, "holding_period"),
        ({"holding_period": 61}, "holding_period"),
        ({"holding_period": True}, "holding_period"),
        ({"holding_period": "10"}, "holding_period"),
        ({"initial_capital": 99_999}, "initial_capital"),
        ({"initial_capital": 10**30}, "initial_capital"),
        ({"commission_rate": -0.1}, "commission_rate"),
        ({"slippage_rate": "0.1"}, "slippage_rate"),
        ({"status": "active"}, "status"),
        ({"holding_days": 3}, "holding_days"),
    ],
)
def test_faulty_terms_name_the_field(web: httpx.Client, me: dict[str, str], change: Any, field: str) -> None:
    answer = web.post("/strategies", json=TERMS | change, headers=me)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", field]
    assert web.get("/strategies", headers=me).json() == {"strategies": []}


def test_slugs_are_unique_and_tiers_bound(web: httpx.Client, me: dict[str, str], other: dict[str, str]) -> None:
    open_one(web, me, "one")
    for headers in (me, other):
        assert web.post("/strategies", json={"name": "x", "slug": "one"}, headers=headers).status_code == 409
    open_one(web, me, "two")
    open_one(web, me, "three")
    fourth = web.post("/strategies", json={"name": "x", "slug": "four"}, headers=me)
    assert fourth.status_code == 403
    assert "free allows 3" in fourth.json()["detail"]
    web.delete("/strategies/one", headers=me)
    open_one(web, me, "four")


def test_a_strategy_takes_the_allowed_steps_of_status_alone(desk: Home, web: httpx.Client, me: dict[str, str]) -> None:
    open_one(web, me)

    def move(status: str) -> int:
        return web.patch("/strategies/alpha", json={"status": status}, headers=me).status_code

    assert [move(status) for status in ("active", "paused", "pending")] == [400, 400, 400]
    send(desk, desk.sessions.next(desk.clock.now().date()), {"alpha": {"600519.SH": 1.0}}, desk.clock.now())
    assert [move(status) for status in ("active", "pending", "paused", "paused", "active")] == [400, 400, 200, 400, 200]
    retired = web.delete("/strategies/alpha", headers=me)
    assert (retired.status_code, retired.json()["status"]) == (200, "retired")
    assert retired.json()["retired_at"] == "2025-01-02T01:00:00+00:00"
    assert web.delete("/strategies/alpha", headers=me).status_code == 400
    assert [move(status) for status in ("active", "paused", "pending", "retired")] == [400] * 4
    assert [
        len(web.get(f"/strategies?status={word}", headers=me).json()["strategies"]) for word in ("active", "retired")
    ] == [0, 1]
    assert web.get("/strategies?status=odd", headers=me).status_code == 422


@pytest.mark.parametrize(
    "change",
    [
        {"universe": "csi500"},
        {"slug": "beta"},
        {"holding_period": 2},
        {"name": None},
        {"is_public": 1},
        {"status": "odd"},
    ],
)
def test_a_patch_of_another_field_or_of_a_faulty_value_is_refused(
    web: httpx.Client, me: dict[str, str], change: Any
) -> None:
    before = open_one(web, me)
    assert web.patch("/strategies/alpha", json={"description": "x", **change}, headers=me).status_code == 422
    assert web.get("/strategies/alpha", headers=me).json() == before
    answer = web.patch(
        "/strategies/alpha", json={"name": "Alpha 2", "description": "π", "is_public": False}, headers=me
    )
    assert answer.json() == before | {"name": "Alpha 2", "description": "π", "is_public": False}
    assert web.patch("/strategies/alpha", json={"description": None}, headers=me).json()["description"] is None


def test_other_peoples_strategies_are_not_there(web: httpx.Client, me: dict[str, str], other: dict[str, str]) -> None:
    open_one(web, me)
    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/signals"),
        ("DELETE", "/signals/2025-01-02"),
    ):
        body = {"json": {"name": "mine"}} if method == "PATCH" else {}
        answer = web.request(method, f"/strategies/alpha{path}", headers=other, **body)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()) == (404, {"detail": "Strategy not found"}), (method, path)
    assert web.get("/strategies", headers=other).json() == {"strategies": []}
