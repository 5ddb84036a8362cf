"""The OpenAPI document: complete, and true, as far as made-up requests can tell."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from api.app import create_app
from store.home import Home
from store.lens import publish
from tests.support import settled as made
from tests.support.serving import browsing, join, open_one

ADDED = {
    "/api/v1/auth/invite",
    "/api/v1/auth/login",
    "/api/v1/auth/refresh",
    "/api/v1/auth/me",
    "/api/v1/auth/profile",
    "/api/v1/billing/api-keys",
    "/api/v1/billing/api-keys/{key_id}",
    "/api/v1/billing/tier",
    "/api/v1/billing/tiers",
    "/api/v1/calendar",
    "/api/v1/strategies",
    "/api/v1/strategies/{slug}",
    "/api/v1/strategies/{slug}/signals",
    "/api/v1/strategies/{slug}/signals/{trade_date}",
    "/api/v1/public/strategies",
    "/api/v1/strategies/{slug}/claimed",
    "/api/v1/strategies/{slug}/backtest",
    "/api/v1/public/strategies/{slug}/track-record",
    "/api/v1/public/strategies/{slug}/performance",
    "/api/v1/public/strategies/{slug}/claimed",
    "/api/v1/public/strategies/{slug}/backtest",
    "/api/v1/public/strategies/{slug}/verify",
    "/api/v1/public/strategies/{slug}/audit",
    "/api/v1/factors",
    "/api/v1/factors/{factor_id}",
    "/api/v1/factors/{factor_id}/values",
    "/api/v1/factors/{factor_id}/values/status",
    "/api/v1/factors/{factor_id}/submit",
    "/api/v1/factors/{factor_id}/correlations",
    "/api/v1/factors/{factor_id}/ic-series",
    "/api/v1/factors/{factor_id}/chart-data",
    "/api/v1/portfolios",
    "/api/v1/portfolios/{portfolio_id}",
    "/api/v1/portfolios/{portfolio_id}/members",
    "/api/v1/portfolios/{portfolio_id}/members/{factor_id}",
    "/api/v1/portfolios/{portfolio_id}/activate",
    "/api/v1/portfolios/{portfolio_id}/pause",
    "/api/v1/portfolios/{portfolio_id}/resume",
    "/api/v1/portfolios/{portfolio_id}/signals",
    "/api/v1/external/signals",
    "/api/v1/external/statistics",
    "/api/v1/external/gaps",
    "/api/v1/external/sources",
    "/api/v1/external/sources/{name}",
    "/api/v1/external/sources/{name}/quarantine",
    "/api/v1/health",
    "/api/v1/notifications",
    "/api/v1/notifications/addresses",
    "/api/v1/notifications/addresses/{address_id}",
    "/api/v1/notifications/delivery",
    "/api/v1/notifications/read-all",
    "/api/v1/notifications/unread-count",
    "/api/v1/notifications/{notification_id}/read",
    "/api/v1/tickets",
    "/api/v1/tickets/{ticket_id}",
    "/v1/signals",
}
ENDLESS = "/v1/signals"


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with settled sessions, published."""
    home = made.make_home(tmp_path_factory.mktemp("openapi") / "home")
    for day in made.weekdays(3):
        made.settle(home, day)
    publish(home)
    return home


@pytest.fixture(scope="module")
def world(records: Home) -> Iterator[tuple[httpx.Client, dict[str, str]]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERSIGN_RATE_LIMIT", "0")
        with browsing(records) as web:
            mine = join(records, web)
            open_one(web, mine, "hs300-ml-alpha")
            yield web, mine


def document(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = create_app(home).openapi()
    return found


def test_every_operation_is_described(records: Home) -> None:
    paths = document(records.path)["paths"]
    assert set(paths) == ADDED
    for path, operations in paths.items():
        for method, operation in operations.items():
            assert operation["description"], (method, path)
            codes = set(operation["responses"])
            assert {"422", "429", "503"} <= codes, (method, path)
            if operation.get("security"):
                assert {"401", "403"} <= codes, (method, path)


def test_every_request_has_an_example_and_every_schema_words(records: Home) -> None:
    schemas = document(records.path)["components"]["schemas"]
    for name, schema in schemas.items():
        if "enum" not in schema:
            assert schema.get("description"), name
    for name in (
        "Invitation",
        "Login",
        "RefreshRequest",
        "KeyRequest",
        "NewStrategy",
        "NewSignal",
        "Holding",
        "NewFactor",
        "NewPortfolio",
        "NewMember",
        "NewFeed",
        "FeedChange",
        "NewClaimed",
        "ClaimedRecord",
    ):
        for field in schemas[name].get("required", ()):
            found = schemas[name]["properties"][field]
            assert found.get("examples"), (name, field)


def test_made_up_requests_find_no_fault_and_no_undocumented_answer(world: tuple[httpx.Client, dict[str, str]]) -> None:
    web, mine = world
    root = str(web.base_url).removesuffix("/api/v1/")
    schema = schemathesis.openapi.from_url(f"{root}/openapi.json")
    checks = [
        schemathesis.checks.not_a_server_error,
        schemathesis.specs.openapi.checks.status_code_conformance,
        schemathesis.specs.openapi.checks.content_type_conformance,
        schemathesis.specs.openapi.checks.response_schema_conformance,
    ]

    answered: dict[str, set[int]] = {}
    for found in schema.exclude(path=ENDLESS).get_all_operations():
        operation = found.ok()

        @given(operation.as_strategy())
        @settings(
            max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
        )
        def probe(case: Any) -> None:
            # What is measured first is compiled first, which takes longer than it waits by default.
            answer = case.call_and_validate(base_url=root, headers=mine, checks=checks, timeout=120)
            answered.setdefault(case.operation.label, set()).add(answer.status_code)

        probe()
    assert len(answered) == sum(len(operations) for operations in schema.raw_schema["paths"].values()) - 1
    assert {200, 201, 400, 404, 422} <= set().union(*answered.values())
