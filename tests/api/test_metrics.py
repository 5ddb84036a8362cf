"""Metrics: off by default; requests counted by route and status in one process or two; the platform's state."""

import re
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from countersign.api.metrics import RequestMetrics
from countersign.deployments.orchestration.server import free_port
from countersign.deployments.supervision.parts import wait_until_ready
from countersign.deployments.web import api_part
from countersign.services.publication.publish import publish
from countersign.store.home import Home
from tests.support import settled as made
from tests.support.serving import browsing, get, join, open_one
from tests.support.waiting import PATIENCE_SECONDS


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(url: str) -> dict[tuple[str, ...], float]:
    answer = get(f"{url}/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return samples(answer.text)


def test_it_is_off_by_default(web: httpx.Client) -> None:
    assert get(f"{str(web.base_url).removesuffix('/api/v1/')}/metrics").status_code == 404


def test_requests_are_counted_by_route_and_class_of_status(desk: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_METRICS", "true")
    with browsing(desk) as web:
        mine = join(desk, web)
        open_one(web, mine, "alpha")
        for slug in ("alpha", "beta", "gamma"):
            web.get(f"/strategies/{slug}", headers=mine)
        for n in range(3):
            web.get(f"/nowhere/{n}")
        web.request("BREW", "/health")
        found = scrape(str(web.base_url).removesuffix("/api/v1/"))
        counted = {key[1:]: value for key, value in found.items() if key[0] == "countersign_requests_total"}
        assert counted["GET", "/api/v1/strategies/{slug}", "2xx"] == 1
        assert counted["GET", "/api/v1/strategies/{slug}", "4xx"] == 2
        assert counted["GET", "unknown", "4xx"] == 3
        assert counted["POST", "/api/v1/strategies", "2xx"] == 1
        assert not any("alpha" in word or "BREW" in word for key in counted for word in key)
        assert found["countersign_request_seconds_count", "GET", "unknown", "4xx"] == 3
        assert found["countersign_request_seconds_bucket", "+Inf", "GET", "unknown", "4xx"] == 3
        assert "/metrics" not in get(f"{str(web.base_url).removesuffix('/api/v1/')}/openapi.json").text


def test_an_answer_from_memory_counts_under_its_route(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = made.make_home(tmp_path / "home")
    made.settle(home, made.FIRST)
    publish(home)
    monkeypatch.setenv("COUNTERSIGN_METRICS", "true")
    with browsing(home) as web:
        for name in ("track-record", "verify"):
            answers = [web.get(f"/public/strategies/strategy-00000/{name}") for _ in range(3)]
            tag = answers[0].headers["etag"]
            again = web.get(f"/public/strategies/strategy-00000/{name}", headers={"If-None-Match": tag})
            assert [answer.status_code for answer in (*answers, again)] == [200, 200, 200, 304]
        found = scrape(str(web.base_url).removesuffix("/api/v1/"))
    counted = {key[1:]: value for key, value in found.items() if key[0] == "countersign_requests_total"}
    prefix = "/api/v1/public/strategies/{slug}"
    assert counted == {
        ("GET", f"{prefix}/{name}", status): count
        for name in ("track-record", "verify")
        for status, count in (("2xx", 3), ("3xx", 1))
    }


def test_counting_costs_little(desk: Home) -> None:
    """Some dozen calls of functions, for any number of routes and any counts before: microseconds."""
    metrics = RequestMetrics(desk)
    for number in range(500):
        metrics.count("GET", f"/api/v1/{number}", 200, 0.001)
    calls = Counter[str]()
    sys.setprofile(lambda _frame, event, _argument: calls.update([event]))
    try:
        for _ in range(100):
            metrics.count("GET", "/api/v1/7", 200, 0.001)
    finally:
        sys.setprofile(None)
    assert (calls["call"] + calls["c_call"]) / 100 < 40


def test_a_scrape_shows_the_platforms_state_and_a_lost_ledger(tmp_path: Path) -> None:
    home = made.make_home(tmp_path / "home")
    text = RequestMetrics(home).render().decode()
    found = samples(text)
    assert found["countersign_up",] == 1
    assert found["countersign_unsealed_signals",] == found["countersign_unpushed_commits",] == 0
    assert found["countersign_stage_lag_seconds", "settle"] == 0
    (home.path / "ledger.db").rename(home.path / "gone.db")
    home.ledger.engine.dispose()
    assert re.search(r"^countersign_up 0\.0$", RequestMetrics(home).render().decode(), re.MULTILINE)


@pytest.mark.slow
def test_two_processes_count_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "home"
    Home(path, f"sqlite:///{path / 'ledger.db'}", path / "lake").create()
    (path / "countersign.toml").write_text("metrics = true\n")
    part = api_part(path, port=free_port(), workers=2)
    child = part.start()
    try:
        assert wait_until_ready(part, child)
        url = str(part.url)

        def counted() -> float:
            key = ("countersign_requests_total", "GET", "/api/v1/billing/tiers", "2xx")
            return scrape(url).get(key, 0)

        for _ in range(40):  # each on a connection of its own, so that both get some
            assert get(f"{url}/api/v1/billing/tiers").is_success
        assert {counted() for _ in range(10)} == {40}
        # Both have counted: each has a file of its own.
        assert len(list((path / "metrics").glob("counter_*.db"))) == 2
    finally:
        child.stop(PATIENCE_SECONDS)
