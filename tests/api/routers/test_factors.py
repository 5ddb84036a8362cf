"""Factors over HTTP: their terms, states, validation reports and owners."""

from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr
from sqlmodel import select

from countersign.domain.sessions import deadline
from countersign.models.tables.operations import Notification
from countersign.store.home import Home
from countersign.store.ledger.leases import lease
from tests.support.factors import LAST, as_json, market_of, open_one, submit, upload
from tests.support.serving import join

NOTHING = {
    "ic_mean": None,
    "ic_ir": None,
    "turnover": None,
    "sharpe": None,
    "fitness": None,
    "ic_decay": None,
    "coverage": None,
    "data_days": None,
    "max_correlation": None,
    "newey_west_t": None,
    "ic_sign_share": None,
}
Headers = dict[str, str]


def test_a_factor_is_opened_as_the_document_says(lab_web: httpx.Client, researcher: Headers) -> None:
    terms = {
        "name": "momentum_20d",
        "universe": "hs300",
        "description": "20-day momentum factor",
        "expression": "rank(ts_mean(close, 20))",
        "claimed_ic_mean": 0.035,
        "claimed_ic_ir": 0.68,
    }
    answer = lab_web.post("/factors", json=terms, headers=researcher)
    assert answer.status_code == 201
    found = answer.json()
    assert len(found.pop("id")) == 36
    assert found == {
        "name": "momentum_20d",
        "universe": "hs300",
        "status": "draft",
        "description": "20-day momentum factor",
        "expression": "rank(ts_mean(close, 20))",
        "is": NOTHING,
        "os": {"ic_mean_30d": None, "ic_mean_60d": None, "ic_mean_120d": None, "start_date": None}
        | {"sessions": 0, "late": 0},
        "claimed": {"ic_mean": 0.035, "ic_ir": 0.68},
        "checks": None,
        "reject_reason": None,
        "yearly_stats": None,
        "submitted_at": None,
        "validated_at": None,
        "created_at": "2025-01-02T01:00:00+00:00",
    }


@pytest.mark.parametrize("name", ["a", "n" * 100, "动量因子", "<b>bold</b> & 'quoted'"])
def test_names_come_back_as_they_were(lab_web: httpx.Client, researcher: Headers, name: str) -> None:
    factor = open_one(lab_web, researcher, name)
    answer = lab_web.get(f"/factors/{factor}", headers=researcher)
    assert (answer.json()["name"], answer.headers["content-type"]) == (name, "application/json")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"name": "nul\0"}, "name"),
        ({"name": None}, "name"),
        ({"universe": "csi2000"}, "universe"),
        ({"universe": "etf_all"}, "universe"),
        ({"claimed_ic_mean": "0.1"}, "claimed_ic_mean"),
        ({"claimed_ic_mean": 1.5}, "claimed_ic_mean"),
        ({"status": "active"}, "status"),
    ],
)
def test_faulty_terms_name_the_field(lab_web: httpx.Client, researcher: Headers, change: Any, field: str) -> None:
    answer = lab_web.post("/factors", json={"name": "x", "universe": "hs300"} | change, headers=researcher)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", field]
    assert lab_web.get("/factors", headers=researcher).json() == {"factors": []}


def test_a_factor_that_knows_is_admitted(lab: Home, lab_web: httpx.Client, researcher: Headers) -> None:
    market = market_of(lab)
    found = submit(lab_web, researcher, "first", market.values["first"])
    assert (found["status"], found["reject_reason"]) == ("active", None)
    assert [check["name"] for check in found["checks"]] == [
        "IC_MEAN",
        "IC_IR",
        "HIGH_TURNOVER",
        "SELF_CORRELATION",
        "DATA_COVERAGE",
    ]
    assert all(check["passed"] for check in found["checks"])
    assert found["os"]["start_date"] == "2025-01-02"
    expected = _spearman(market.bars, market.values["first"])
    assert [row["date"] for row in found["ic_series"]] == list(expected)
    assert np.allclose([row["ic"] for row in found["ic_series"]], list(expected.values()), atol=1e-12)
    assert found["is"]["ic_mean"] == pytest.approx(np.mean(list(expected.values())))
    returns = [row["ls_return"] for row in found["ls_cumulative_returns"]]
    cumulative = [row["cumulative"] for row in found["ls_cumulative_returns"]]
    assert np.allclose(cumulative, np.cumprod(1 + np.array(returns)))
    path = f"/factors/{found['id']}"
    assert lab_web.get(path, headers=researcher).json() == found
    assert lab_web.get(f"{path}/ic-series", headers=researcher).json() == {"records": found["ic_series"]}
    chart = lab_web.get(f"{path}/chart-data", headers=researcher).json()
    assert chart == {name: found[name] for name in ("ic_series", "ls_cumulative_returns", "yearly_stats")}
    poll = lab_web.get(f"{path}/submit", headers=researcher).json()
    assert poll == {name: found[name] for name in ("status", "checks", "validated_at")}


def _spearman(bars: pl.DataFrame, values: pl.DataFrame) -> dict[str, float]:
    """IC by day, with other people's ranks and a loop."""
    prices = bars.with_columns(price=pl.col("close") * pl.col("adj_factor")).pivot(
        "symbol", index="session", values="price"
    )
    wide = values.pivot("symbol", index="date", values="value")
    symbols = [name for name in wide.columns if name != "date"]
    price, value = prices.select(symbols).to_numpy(), wide.select(symbols).to_numpy()
    days = wide["date"].to_list()
    return {
        str(day): spearmanr(value[t], price[t + 2] / price[t + 1]).statistic
        for t, day in enumerate(days)
        if t + 2 < len(days)
    }


def test_a_factor_that_does_not_is_rejected_and_says_why(lab: Home, lab_web: httpx.Client, researcher: Headers) -> None:
    values = market_of(lab).values["noise"]
    found = submit(lab_web, researcher, "noise", values)
    assert found["status"] == "rejected"
    assert "HIGH_TURNOVER: expected turnover of less than 0.35, got 0.7953" in found["reject_reason"]
    path = f"/factors/{found['id']}"
    again = lab_web.post(f"{path}/submit", headers=researcher)
    assert (again.status_code, "rejected, expected ready" in again.text) == (400, True)
    # The same values are no news; other ones make it a candidate again.
    assert upload(lab_web, researcher, found["id"], values).json()["status"] == "rejected"
    changed = values.filter(pl.col("date") == LAST).with_columns(pl.col("value") + 1)
    assert upload(lab_web, researcher, found["id"], changed).json() == {
        "uploaded": 1,
        "changed": 1,
        "skipped": 0,
        "total_days": 126,
        "status": "ready",
    }
    reset = lab_web.get(path, headers=researcher).json()
    assert reset["is"] == NOTHING
    assert [reset[name] for name in ("checks", "reject_reason", "validated_at", "ic_series")] == [None, None, None, []]


def test_alike_factors_are_told_apart(lab: Home, lab_web: httpx.Client, researcher: Headers) -> None:
    market = market_of(lab)
    first = submit(lab_web, researcher, "first", market.values["first"])
    second = submit(lab_web, researcher, "second", market.values["second"])
    assert second["status"] == "active"
    assert second["is"]["ic_mean"] < 0
    assert abs(second["is"]["max_correlation"]) < 0.7
    copy = submit(lab_web, researcher, "copy", market.values["first"].with_columns(-pl.col("value")))
    assert copy["is"]["max_correlation"] == pytest.approx(-1)
    assert [check["passed"] for check in copy["checks"] if check["name"] == "SELF_CORRELATION"] == [False]
    found = lab_web.get(f"/factors/{copy['id']}/correlations", headers=researcher).json()["correlations"]
    assert [row["factor_id"] for row in found] == [first["id"], second["id"]]
    assert found[0] == {"factor_id": first["id"], "name": "first", "correlation": pytest.approx(-1)}
    # Somebody else's factors are not compared with.
    other = join(lab, lab_web)
    assert submit(lab_web, other, "mine", market.values["first"])["is"]["max_correlation"] is None


def test_a_validated_factor_notifies_its_owner(lab: Home, lab_web: httpx.Client, researcher: Headers) -> None:
    values = market_of(lab).values
    good, bad = (submit(lab_web, researcher, name, values[name]) for name in ("first", "noise"))
    for found, kind, verdict in (
        (good, "factor_accepted", "accepted, and is tracked from now on"),
        (bad, "factor_rejected", f"rejected: {bad['reject_reason']}"),
    ):
        with lab.ledger.read() as db:
            (told,) = [each for each in db.exec(select(Notification)) if found["id"] in each.key]
        assert (told.kind, told.text) == (kind, f"factor {found['name']} was {verdict}")
        assert told.user_id is not None
    listed = lab_web.get("/notifications", headers=researcher).json()["notifications"]
    assert [each["kind"] for each in listed] == ["factor_rejected", "factor_accepted"]


def test_too_few_sessions_are_a_draft(lab: Home, lab_web: httpx.Client, researcher: Headers) -> None:
    values = market_of(lab).values["first"].sort("date")
    factor = open_one(lab_web, researcher)
    status = f"/factors/{factor}/values/status"
    empty = {"total_days": 0, "min_required": 120, "ready": False, "start_date": None, "end_date": None}
    assert lab_web.get(status, headers=researcher).json() == empty
    days = values["date"].unique().sort().to_list()
    assert upload(lab_web, researcher, factor, values.filter(pl.col("date") < days[119])).json()["status"] == "draft"
    refused = lab_web.post(f"/factors/{factor}/submit", headers=researcher)
    assert (refused.status_code, refused.json()["detail"]) == (400, "status: alpha is draft, expected ready")
    assert upload(lab_web, researcher, factor, values.filter(pl.col("date") == days[119])).json()["status"] == "ready"
    assert lab_web.get(status, headers=researcher).json() == {
        "total_days": 120,
        "min_required": 120,
        "ready": True,
        "start_date": str(days[0]),
        "end_date": str(days[119]),
    }


def test_only_drafts_and_rejected_factors_change_or_go(lab: Home, lab_web: httpx.Client, researcher: Headers) -> None:
    market = market_of(lab)

    def change(factor: str, **changes: Any) -> httpx.Response:
        return lab_web.patch(f"/factors/{factor}", json=changes, headers=researcher)

    def delete(factor: str) -> int:
        return lab_web.delete(f"/factors/{factor}", headers=researcher).status_code

    draft = open_one(lab_web, researcher, "draft", description="old")
    assert change(draft, name="new", description=None).json()["name"] == "new"
    assert lab_web.get(f"/factors/{draft}", headers=researcher).json()["description"] is None
    assert [change(draft, name="n" * length).status_code for length in (0, 101, 100)] == [422, 422, 200]
    assert change(draft, name="").json()["detail"][0]["loc"] == ["body", "name"]
    assert change(draft, name=None).status_code == change(draft, universe="csi500").status_code == 422
    active = submit(lab_web, researcher, "active", market.values["first"])["id"]
    rejected = submit(lab_web, researcher, "rejected", market.values["noise"])["id"]
    ready = open_one(lab_web, researcher, "ready")
    upload(lab_web, researcher, ready, market.values["second"])
    assert [change(factor, name="x").status_code for factor in (active, ready, rejected)] == [400, 400, 200]
    assert [delete(factor) for factor in (active, ready, rejected, rejected, draft)] == [400, 400, 200, 404, 200]
    assert {each["id"] for each in lab_web.get("/factors", headers=researcher).json()["factors"]} == {active, ready}


def test_lists_are_filtered_and_ordered(lab: Home, lab_web: httpx.Client, researcher: Headers) -> None:
    market = market_of(lab)
    submit(lab_web, researcher, "up", market.values["first"])
    lab.clock.set(deadline(lab.sessions.next(LAST), "open"))
    submit(lab_web, researcher, "down", market.values["second"], universe="csi500")
    lab.clock.set(deadline(lab.sessions.next(LAST), "close"))
    open_one(lab_web, researcher, "new")
    lab.clock.set(deadline(lab.sessions.next(LAST), "open").replace(minute=0))

    def names(query: str) -> list[str]:
        answer = lab_web.get(f"/factors?{query}", headers=researcher)
        return [each["name"] for each in answer.json()["factors"]]

    assert names("") == names("order=-created_at") == ["new", "down", "up"]
    assert names("order=created_at") == ["up", "down", "new"]
    assert names("order=ic_mean") == ["down", "up", "new"]
    assert names("order=-ic_mean") == ["up", "down", "new"]
    assert names("status=active&order=created_at&limit=1&offset=1") == ["down"]
    assert names("universe=csi500") == ["down"]
    for query in ("status=odd", "universe=csi2000", "order=name", "limit=201", "offset=-1"):
        assert lab_web.get(f"/factors?{query}", headers=researcher).status_code == 422


def test_one_validation_at_a_time(lab: Home, lab_web: httpx.Client, researcher: Headers) -> None:
    factor = open_one(lab_web, researcher)
    upload(lab_web, researcher, factor, market_of(lab).values["first"])
    with lease(lab.ledger, f"validate {factor}"):
        refused = lab_web.post(f"/factors/{factor}/submit", headers=researcher)
    assert (refused.status_code, refused.json()["detail"]) == (400, "status: alpha is being validated already")
    assert lab_web.post(f"/factors/{factor}/submit", headers=researcher).json()["status"] == "active"


def test_other_peoples_factors_are_not_there(lab: Home, lab_web: httpx.Client, researcher: Headers) -> None:
    factor = open_one(lab_web, researcher)
    other = join(lab, lab_web)
    body = as_json(market_of(lab).values["first"].head(3))
    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/values"),
        ("GET", "/values/status"),
        ("POST", "/submit"),
        ("GET", "/submit"),
        ("GET", "/correlations"),
        ("GET", "/ic-series"),
        ("GET", "/chart-data"),
    ):
        given = {"PATCH": {"name": "mine"}, "POST": body}.get(method)
        for unknown in (factor, "nothing", "nul%00"):
            answer = lab_web.request(method, f"/factors/{unknown}{path}", headers=other, json=given)
            assert (answer.status_code, answer.json()) == (404, {"detail": "Factor not found"}), (method, path)
    assert lab_web.get("/factors", headers=other).json() == {"factors": []}
