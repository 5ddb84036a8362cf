"""Claimed performance over HTTP: refusals, the owner's view and the public one, comparison with settled sessions."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
from sqlmodel import select

from countersign.models.enums import StrategyStatus
from countersign.models.tables.strategies import Strategy
from countersign.models.wire.claimed import ClaimedMeta, ClaimedRow, TrackingAnswer
from countersign.services.publication.publish import publish
from countersign.store.home import Home
from tests.support import settled as made
from tests.support.serving import SIGNAL, browsing, join, open_one

TEN = [{"date": f"2024-03-{n:02}", "nav": 100.0 + n} for n in range(1, 11)]
SLUG = "strategy-00000"
PATH, PUBLIC = f"/strategies/{SLUG}/claimed", f"/public/strategies/{SLUG}"


@pytest.fixture
def active(web: httpx.Client, me: dict[str, str]) -> str:
    """The path of the claim of a strategy that is active since 2025-01-02."""
    open_one(web, me)
    sent = web.post("/strategies/alpha/signals", json={"trade_date": "2025-01-02", "signals": SIGNAL}, headers=me)
    assert sent.status_code == 201
    return "/strategies/alpha/claimed"


def days(count: int, last: date = date(2025, 1, 1)) -> list[dict[str, Any]]:
    return [{"date": str(last - timedelta(days=count - 1 - n)), "nav": 1.0 + n / 1e4} for n in range(count)]


BAD: dict[str, list[dict[str, Any]]] = {
    "one": TEN[:1],
    "none": [],
    "5001": days(5001),
    "unsorted": [TEN[1], TEN[0]],
    "twice": [TEN[0], TEN[0]],
    "zero": [TEN[0], TEN[1] | {"nav": 0}],
    "negative": [TEN[0], TEN[1] | {"nav": -1.0}],
    "1e11": [TEN[0], TEN[1] | {"nav": 1e11}],
    "text": [TEN[0], TEN[1] | {"nav": "100"}],
    "today": [TEN[0], {"date": "2025-01-02", "nav": 1.0}],
    "future": [TEN[0], {"date": "2025-01-03", "nav": 1.0}],
    "no day": [TEN[0], {"date": "2024-02-30", "nav": 1.0}],
    "further field": [TEN[0], TEN[1] | {"drawdown": 0.1}],
}


def test_a_claim_is_uploaded_replaced_shown_and_deleted(web: httpx.Client, me: dict[str, str], active: str) -> None:
    assert web.get(active, headers=me).json() == {"detail": "Claimed performance not found"}
    first = web.put(active, json={"records": TEN}, headers=me)
    assert first.status_code == 201
    told = first.json()
    assert {name: told[name] for name in ("strategy_slug", "data_points", "start_date", "end_date")} == {
        "strategy_slug": "alpha",
        "data_points": 10,
        "start_date": "2024-03-01",
        "end_date": "2024-03-10",
    }
    assert told["total_return"] == pytest.approx(110 / 101 - 1)
    assert (told["after_activation"], told["times_replaced"], told["uploaded_at"]) == (
        0,
        0,
        "2025-01-02T01:00:00+00:00",
    )
    again = web.put(active, json={"records": TEN}, headers=me)
    assert (again.status_code, again.json()["times_replaced"]) == (200, 0)
    other = web.put(active, json={"records": TEN[:4]}, headers=me)
    assert (other.status_code, other.json()["times_replaced"], other.json()["data_points"]) == (200, 1, 4)
    shown = web.get(active, headers=me).json()
    assert shown["meta"] == {name: value for name, value in other.json().items() if name != "strategy_slug"}
    assert set(shown["meta"]) == set(ClaimedMeta.model_fields)
    assert [row["date"] for row in shown["records"]] == [record["date"] for record in TEN[:4]]
    assert set(shown["records"][0]) == set(ClaimedRow.model_fields)
    assert (shown["records"][0]["nav"], shown["records"][0]["daily_return"]) == (1.0, None)
    public = web.get("/public/strategies/alpha/claimed").json()
    assert public == shown | {"creator_counts": {"opened": 1, "hidden": 0, "retired": 0}}
    assert web.delete(active, headers=me).json() == {"deleted": True, "data_points_removed": 4}
    assert web.delete(active, headers=me).status_code == 404
    assert web.get("/public/strategies/alpha/claimed").json() == {"detail": "Claimed performance not found"}
    assert "claimed" not in web.get("/public/strategies/alpha/track-record").json()
    # Withdrawing does not wash clean.
    anew = web.put(active, json={"records": TEN}, headers=me)
    assert (anew.status_code, anew.json()["times_replaced"]) == (201, 2)


def test_bad_records_are_refused_and_not_stored(web: httpx.Client, me: dict[str, str], active: str) -> None:
    for name, records in BAD.items():
        answer = web.put(active, json={"records": records}, headers=me)
        assert answer.status_code == 422, name
        assert all(fault["loc"][:2] == ["body", "records"] for fault in answer.json()["detail"]), name
        assert web.get(active, headers=me).status_code == 404, name


def test_the_largest_nav_and_the_latest_day_are_taken(web: httpx.Client, me: dict[str, str], active: str) -> None:
    records = days(5000)
    records[-1]["nav"] = 1e10
    answer = web.put(active, json={"records": records}, headers=me)
    assert (answer.status_code, answer.json()["data_points"], answer.json()["end_date"]) == (201, 5000, "2025-01-01")
    assert web.put(active, json={"records": [TEN[0], TEN[1] | {"nav": 5e-324}]}, headers=me).status_code == 200
    assert web.get("/public/strategies/alpha/track-record").status_code == 200


def test_a_claim_of_a_pending_retired_or_other_peoples_strategy_is_refused(
    web: httpx.Client, me: dict[str, str], other: dict[str, str], active: str
) -> None:
    open_one(web, me, "waiting")
    refused = web.put("/strategies/waiting/claimed", json={"records": TEN}, headers=me)
    assert (refused.status_code, "at least one signal" in refused.json()["detail"]) == (400, True)
    assert web.put(active, json={"records": TEN}, headers=me).status_code == 201
    for ask in (web.get, web.delete):
        assert (ask(active).status_code, ask(active, headers=other).status_code) == (401, 404)
    assert web.put(active, json={"records": TEN}, headers=other).status_code == 404
    assert web.put("/strategies/NOBODY%00/claimed", json={"records": TEN}, headers=me).status_code == 404
    assert web.delete("/strategies/alpha", headers=me).status_code == 200
    for refused in (web.put(active, json={"records": TEN[:3]}, headers=me), web.delete(active, headers=me)):
        assert (refused.status_code, "retired" in refused.json()["detail"]) == (400, True)
    assert web.get(active, headers=me).json()["meta"]["data_points"] == 10
    hidden = web.patch("/strategies/alpha", headers=me, json={"is_public": False})
    assert hidden.status_code == 200
    assert web.get("/public/strategies/alpha/claimed").json() == {"detail": "Strategy not found"}


def test_a_paused_strategy_may_be_claimed_of(web: httpx.Client, me: dict[str, str], active: str) -> None:
    assert web.patch("/strategies/alpha", json={"status": "paused"}, headers=me).json()["status"] == "paused"
    assert web.put(active, json={"records": TEN}, headers=me).status_code == 201
    assert web.put(active, json={"records": TEN[:4]}, headers=me).json()["times_replaced"] == 1
    assert web.get("/public/strategies/alpha/claimed").json()["meta"]["data_points"] == 4
    assert web.delete(active, headers=me).json() == {"deleted": True, "data_points_removed": 4}


def test_an_old_client_that_follows_gets_there(web: httpx.Client, me: dict[str, str], active: str) -> None:
    old = active.replace("claimed", "backtest")
    assert web.put(old, json={"records": TEN}, headers=me, follow_redirects=True).status_code == 201
    for method in ("GET", "PUT", "DELETE"):
        answer = web.request(method, "/strategies/a%20b%3F%0A/backtest")
        assert (answer.status_code, answer.headers["location"]) == (308, "/api/v1/strategies/a%20b%3F%0A/claimed")
    public = "/public/strategies/alpha/backtest"
    assert web.get(public).headers["location"] == "/api/v1/public/strategies/alpha/claimed"
    assert web.get(public, follow_redirects=True).json()["meta"]["data_points"] == 10


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, httpx.Client, dict[str, str]]]:
    """Strategy 0 is ours, and has eight settled sessions."""
    home = made.make_home(tmp_path_factory.mktemp("tracked") / "home")
    for day in made.weekdays(8):
        made.settle(home, day)
    publish(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERSIGN_RATE_LIMIT", "0")
        with browsing(home) as web:
            mine = join(home, web)
            with home.ledger.write() as db:
                strategy = db.exec(select(Strategy).where(Strategy.slug == SLUG)).one()
                strategy.owner_id, strategy.status = 3, StrategyStatus.ACTIVE
                db.add(strategy)
            yield home, web, mine


def test_a_claim_that_equals_the_tracked_nav_is_consistent(
    tracked: tuple[Home, httpx.Client, dict[str, str]],
) -> None:
    _, web, mine = tracked
    nav = web.get(f"{PUBLIC}/track-record").json()["records"]
    before = [{"date": f"2024-11-{n:02}", "nav": 0.9 + n / 100} for n in (1, 4, 5)]
    records = before + [{"date": row["date"], "nav": row["nav"]} for row in nav]
    told = web.put(PATH, json={"records": records}, headers=mine).json()
    assert (told["data_points"], told["after_activation"]) == (11, 8)
    shown = web.get(f"{PUBLIC}/claimed").json()
    tracking = shown["tracking"]
    assert set(tracking) == set(TrackingAnswer.model_fields)
    assert tracking["tracking_error_annualized"] == pytest.approx(0.0, abs=1e-12)
    assert tracking["tracking_diff_annualized"] == pytest.approx(0.0, abs=1e-12)
    assert tracking["correlation"] == pytest.approx(1.0)
    assert (tracking["overlap_days"], tracking["verdict"]) == (8, "consistent")
    assert [row["after_activation"] for row in shown["records"]] == [False] * 3 + [True] * 8
    record = web.get(f"{PUBLIC}/track-record").json()
    assert record["records"] == nav
    claimed = record["claimed"]
    assert (claimed["meta"], claimed["tracking"]) == (shown["meta"], tracking)
    levels = [4000 + day.toordinal() % 97 for day in made.weekdays(8)]
    benchmark = [None] * 4 + [pytest.approx(b / a - 1) for a, b in pairwise(levels)]
    assert [row.pop("benchmark_return") for row in claimed["records"]] == benchmark
    assert claimed["records"] == shown["records"]


def test_with_three_common_daily_returns_there_is_no_tracking(
    tracked: tuple[Home, httpx.Client, dict[str, str]],
) -> None:
    _, web, mine = tracked
    nav = web.get(f"{PUBLIC}/track-record").json()["records"]
    navs = reversed([row["nav"] for row in nav])
    records = [{"date": row["date"], "nav": level} for row, level in zip(nav, navs, strict=True)]
    for few in (records[:4], records[:3] + records[4:6]):
        web.put(PATH, json={"records": few}, headers=mine)
        assert "tracking" not in web.get(f"{PUBLIC}/claimed").json()
        assert "tracking" not in web.get(f"{PUBLIC}/track-record").json()["claimed"]
    web.put(PATH, json={"records": records}, headers=mine)
    assert web.get(f"{PUBLIC}/claimed").json()["tracking"]["verdict"] == "significant_divergence"


def test_a_claim_shows_in_the_very_next_answer_and_unchanged_is_said(
    tracked: tuple[Home, httpx.Client, dict[str, str]],
) -> None:
    _, web, mine = tracked
    paths = [f"{PUBLIC}/track-record", f"{PUBLIC}/claimed", "/public/strategies"]
    web.put(PATH, json={"records": TEN}, headers=mine)
    tags = [web.get(path).headers["etag"] for path in paths]
    for path, tag in zip(paths, tags, strict=True):
        assert web.get(path, headers={"If-None-Match": tag}).status_code == 304
    web.put(PATH, json={"records": TEN[:5]}, headers=mine)
    for path, tag in zip(paths[:2], tags, strict=False):
        assert web.get(path, headers={"If-None-Match": tag}).status_code == 200
    assert [each["has_claimed"] for each in web.get(paths[2]).json()["strategies"]] == [False, False, True]
    web.delete(PATH, headers=mine)
    assert web.get(paths[1], headers={"If-None-Match": "*"}).status_code == 404
    assert not any(each["has_claimed"] for each in web.get(paths[2]).json()["strategies"])
