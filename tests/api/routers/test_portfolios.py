"""Portfolios of factors over HTTP: members, states, the strategy, and the signal that is made at once."""

from datetime import date, timedelta
from typing import Any

import httpx
import polars as pl
import pytest
from sqlmodel import select

from countersign.domain.portfolios.multi_factor import Failure
from countersign.domain.sessions import deadline
from countersign.models.tables.operations import Notification
from countersign.services.portfolios.signals import WORDS
from countersign.store.home import Home
from tests.api.conftest import NINE
from tests.support.factors import LAST, market_of, open_one, submit
from tests.support.serving import join
from tests.support.serving import open_one as open_strategy

Headers = dict[str, str]
TODAY = date(2025, 1, 2)


def make(web: httpx.Client, headers: Headers, name: str = "momentum value", **terms: Any) -> str:
    answer = web.post("/portfolios", json={"name": name, "universe": "hs300", **terms}, headers=headers)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


def add(web: httpx.Client, headers: Headers, portfolio: str, factor: str) -> httpx.Response:
    return web.post(f"/portfolios/{portfolio}/members", json={"factor_id": factor}, headers=headers)


def move(web: httpx.Client, headers: Headers, portfolio: str, action: str) -> httpx.Response:
    return web.post(f"/portfolios/{portfolio}/{action}", headers=headers)


@pytest.fixture
def factors(lab: Home, lab_web: httpx.Client, researcher: Headers) -> dict[str, Any]:
    """Two active factors of the researcher's; the second one has a negative IC."""
    values = market_of(lab).values
    return {name: submit(lab_web, researcher, name, values[name]) for name in ("first", "second")}


def test_a_portfolio_is_made_with_the_documents_defaults(lab_web: httpx.Client, researcher: Headers) -> None:
    answer = lab_web.post("/portfolios", json={"name": "momentum_value", "universe": "hs300"}, headers=researcher)
    found = answer.json()
    assert answer.status_code == 201
    assert lab_web.get(f"/portfolios/{found['id']}", headers=researcher).json() == found
    assert lab_web.get("/portfolios", headers=researcher).json() == {"portfolios": [found]}
    del found["id"]
    assert found == {
        "name": "momentum_value",
        "universe": "hs300",
        "weighting": "equal",
        "top_n": 50,
        "status": "draft",
        "created_at": "2025-01-02T01:00:00+00:00",
        "activated_at": None,
        "members": [],
        "strategy": None,
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"universe": "csi2000"}, "universe"),
        ({"weighting": "best"}, "weighting"),
        ({"top_n": 4}, "top_n"),
        ({"top_n": 501}, "top_n"),
        ({"top_n": "50"}, "top_n"),
        ({"members": []}, "members"),
    ],
)
def test_faulty_terms_name_the_field(lab_web: httpx.Client, researcher: Headers, change: Any, field: str) -> None:
    answer = lab_web.post("/portfolios", json={"name": "x", "universe": "hs300"} | change, headers=researcher)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", field])


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("momentum value", "momentum-value"),
        ("a", "a"),
        ("n" * 100, "n" * 37),
        ("动量组合", "portfolio"),
        ("<b>bold</b> & 'quoted'", "b-bold-b-quoted"),
    ],
)
def test_activation_sends_a_signal_at_once(
    lab: Home, lab_web: httpx.Client, researcher: Headers, factors: dict[str, Any], name: str, slug: str
) -> None:
    portfolio = make(lab_web, researcher, name, top_n=10)
    for factor in factors.values():
        assert add(lab_web, researcher, portfolio, factor["id"]).status_code == 201
    found = move(lab_web, researcher, portfolio, "activate").json()
    slug = f"mf-{portfolio[:8]}-{slug}"
    assert (found["name"], found["status"], found["activated_at"]) == (name, "active", "2025-01-02T01:00:00+00:00")
    assert found["strategy"] == {"slug": slug, "name": name, "status": "pending"}
    assert found["signal"] == {"trade_date": "2025-01-02", "stock_count": 10, "reason": None}
    strategy = lab_web.get(f"/strategies/{slug}", headers=researcher).json()
    assert (strategy["execution_price"], strategy["universe"], strategy["status"]) == ("open", "hs300", "active")
    (signal,) = lab_web.get(f"/strategies/{slug}/signals", headers=researcher).json()["signals"]
    assert {holding["symbol"]: holding["weight"] for holding in signal["signals"]} == _best(lab, 10)
    (listed,) = lab_web.get(f"/portfolios/{portfolio}/signals", headers=researcher).json()["signals"]
    # The platform sent it itself: nobody waits for a receipt, and no owner signs.
    for own in ("signals", "salt", "owner_signature", "receipt"):
        del signal[own]
    assert listed == signal | {"stock_count": 10}


def _best(lab: Home, count: int) -> dict[str, float]:
    """Weights by the newest values, the second factor turned round, with numpy alone."""
    score: dict[str, float] = {}
    for name, sign in (("first", 1), ("second", -1)):
        rows = market_of(lab).values[name].filter(pl.col("date") == LAST)
        values = rows["value"].to_numpy()
        for symbol, z in zip(rows["symbol"], (values - values.mean()) / values.std(ddof=1), strict=True):
            score[symbol] = score.get(symbol, 0.0) + sign * z / 2
    return dict.fromkeys(sorted(score, key=lambda symbol: -score[symbol])[:count], 1 / count)


def test_members_change_only_while_a_portfolio_is_not_active(
    lab_web: httpx.Client, researcher: Headers, factors: dict[str, Any]
) -> None:
    first, second = (each["id"] for each in factors.values())
    portfolio = make(lab_web, researcher, "组合")
    assert [move(lab_web, researcher, portfolio, to).status_code for to in ("pause", "resume")] == [400, 400]
    add(lab_web, researcher, portfolio, first)
    alone = move(lab_web, researcher, portfolio, "activate")
    assert (alone.status_code, alone.json()["detail"]) == (400, "members: expected at least 2 factors, got 1")
    add(lab_web, researcher, portfolio, second)
    assert add(lab_web, researcher, portfolio, second).status_code == 409
    assert (
        move(lab_web, researcher, portfolio, "activate").json()["strategy"]["slug"] == f"mf-{portfolio[:8]}-portfolio"
    )
    member = f"/portfolios/{portfolio}/members/{second}"

    def touch() -> list[int]:
        return [
            lab_web.delete(member, headers=researcher).status_code,
            add(lab_web, researcher, portfolio, second).status_code,
            lab_web.delete(f"/portfolios/{portfolio}", headers=researcher).status_code,
            move(lab_web, researcher, portfolio, "activate").status_code,
        ]

    assert touch() == [400] * 4
    assert move(lab_web, researcher, portfolio, "pause").json()["status"] == "paused"
    shown = lab_web.delete(member, headers=researcher).json()
    assert [each["factor_id"] for each in shown["members"]] == [first]
    assert lab_web.delete(member, headers=researcher).status_code == 404
    assert move(lab_web, researcher, portfolio, "resume").status_code == 400
    add(lab_web, researcher, portfolio, second)
    assert [move(lab_web, researcher, portfolio, to).status_code for to in ("resume", "resume", "pause")] == [
        200,
        400,
        200,
    ]
    assert lab_web.delete(f"/portfolios/{portfolio}", headers=researcher).json() == {"deleted": True}
    assert lab_web.get(f"/portfolios/{portfolio}", headers=researcher).status_code == 404
    (strategy,) = lab_web.get("/strategies", headers=researcher).json()["strategies"]
    assert strategy["status"] == "retired"


def test_only_ones_own_active_factors_of_the_universe_come_in(
    lab: Home, lab_web: httpx.Client, researcher: Headers
) -> None:
    values, portfolio = market_of(lab).values, make(lab_web, researcher)
    elsewhere = submit(lab_web, researcher, "first", values["first"], universe="csi500")["id"]
    rejected = submit(lab_web, researcher, "noise", values["noise"])["id"]
    draft = open_one(lab_web, researcher)
    other = join(lab, lab_web)
    foreign = submit(lab_web, other, "first", values["first"])["id"]
    answers = [add(lab_web, researcher, portfolio, each) for each in (elsewhere, rejected, draft, foreign, "no\0ne")]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 404, 404]
    assert "is of csi500, expected hs300" in answers[0].json()["detail"]
    assert "is rejected, expected an active factor" in answers[1].json()["detail"]
    assert lab_web.get(f"/portfolios/{portfolio}", headers=researcher).json()["members"] == []


def test_its_strategy_counts_in_the_tier(lab_web: httpx.Client, researcher: Headers, factors: dict[str, Any]) -> None:
    portfolio = make(lab_web, researcher)
    for factor in factors.values():
        add(lab_web, researcher, portfolio, factor["id"])
    slugs = [f"{portfolio[:8]}-{n}" for n in range(3)]
    for slug in slugs:
        open_strategy(lab_web, researcher, slug)
    refused = move(lab_web, researcher, portfolio, "activate")
    assert (refused.status_code, "free allows 3" in refused.json()["detail"]) == (403, True)
    assert lab_web.get(f"/portfolios/{portfolio}", headers=researcher).json()["status"] == "draft"
    lab_web.delete(f"/strategies/{slugs[0]}", headers=researcher)
    assert move(lab_web, researcher, portfolio, "activate").status_code == 200
    assert open_count(lab_web, researcher) == 3
    # Retiring the strategy under it ends the portfolio.
    slug = lab_web.get(f"/portfolios/{portfolio}", headers=researcher).json()["strategy"]["slug"]
    lab_web.delete(f"/strategies/{slug}", headers=researcher)
    move(lab_web, researcher, portfolio, "pause")
    assert "is retired" in move(lab_web, researcher, portfolio, "resume").json()["detail"]


def open_count(web: httpx.Client, headers: Headers) -> int:
    found = web.get("/strategies", headers=headers).json()["strategies"]
    return sum(each["status"] != "retired" for each in found)


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        (deadline(TODAY, "open"), "made at 09:00 of the next session"),
        (NINE + timedelta(days=2), "made at 09:00 of the next session"),  # a Saturday
        (
            deadline(date(2025, 1, 10), "open") - timedelta(minutes=1),
            "no values from the 5 sessions before: first",
        ),
    ],
)
def test_without_a_signal_it_says_why(
    lab: Home, lab_web: httpx.Client, researcher: Headers, factors: dict[str, Any], moment: Any, reason: str
) -> None:
    portfolio = make(lab_web, researcher)
    for factor in factors.values():
        add(lab_web, researcher, portfolio, factor["id"])
    try:
        lab.clock.set(moment)
        signal = move(lab_web, researcher, portfolio, "activate").json()["signal"]
    finally:
        lab.clock.set(NINE)
    assert (signal["trade_date"], signal["stock_count"], signal["reason"][: len(reason)]) == (None, 0, reason)
    assert lab_web.get(f"/portfolios/{portfolio}/signals", headers=researcher).json() == {"signals": []}
    with lab.ledger.read() as db:
        told = [each.text for each in db.exec(select(Notification)) if portfolio in each.key]
    assert len(told) == ("no values" in reason)
    assert all("has no signal for 2025-01-10: no values" in text for text in told)


def test_every_reason_has_words() -> None:
    assert set(WORDS) == set(Failure)


def test_other_peoples_portfolios_are_not_there(lab: Home, lab_web: httpx.Client, researcher: Headers) -> None:
    portfolio, other = make(lab_web, researcher), join(lab, lab_web)
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/members"),
        ("DELETE", "/members/x"),
        ("POST", "/activate"),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("GET", "/signals"),
    ):
        given = {"factor_id": "x"} if path == "/members" else None
        for unknown in (portfolio, "nothing", "nul%00"):
            answer = lab_web.request(method, f"/portfolios/{unknown}{path}", headers=other, json=given)
            assert (answer.status_code, answer.json()) == (404, {"detail": "Portfolio not found"}), (method, path)
    assert lab_web.get("/portfolios", headers=other).json() == {"portfolios": []}
