"""The OpenAPI document: complete, and true, as far as made-up requests can tell."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis.generation import GenerationMode
from sqlmodel import select

from countersign.api.app import create_app
from countersign.models.tables.strategies import Strategy
from countersign.services.accounts.accounts import find_user, grant_admin
from countersign.services.publication.publish import publish
from countersign.store.home import Home
from tests.support import settled as made
from tests.support.serving import SIGNAL, browsing, join, logged_in, open_one
from tests.support.waiting import PATIENCE_SECONDS

ADDED = {
    "/api/v1/auth/invite",
    "/api/v1/auth/login",
    "/api/v1/auth/password",
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
# Of the framework's own; ours are in their place.
OF_THE_FRAMEWORK = {"HTTPValidationError", "ValidationError"}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with settled sessions, published."""
    home = made.make_home(tmp_path_factory.mktemp("openapi") / "home")
    for day in made.weekdays(3):
        made.settle(home, day)
    publish(home)
    return home


class World(NamedTuple):
    """A served home, and an administrator's account in it."""

    web: httpx.Client
    mine: dict[str, str]
    known: dict[str, str]  # resources that the account can name, by the name of the path's parameter


@pytest.fixture(scope="module")
def world(records: Home) -> Iterator[World]:
    """The api of `records`, without rate limits, with an administrator and the resources of each kind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERSIGN_RATE_LIMIT", "0")
        with browsing(records) as web:
            mine = logged_in(records, web, join(records, web))
            nickname = web.get("/auth/me", headers=mine).json()["nickname"]
            slug = made.slugs(1)[0]
            with records.ledger.write() as db:
                grant_admin(db, nickname, records.clock.now())
                settled = db.exec(select(Strategy).where(Strategy.slug == slug)).one()
                settled.owner_id = find_user(db, nickname).id or 0
            open_one(web, mine, "hs300-ml-alpha")
            yield World(web, mine, {"slug": slug} | own_things(web, mine, slug))


def own_things(web: httpx.Client, mine: dict[str, str], slug: str) -> dict[str, str]:
    """Make one of everything that a path can name."""

    def make(path: str, **body: Any) -> dict[str, str]:
        answer = web.post(path, json=body, headers=mine)
        assert answer.status_code == 201, answer.text
        found: dict[str, str] = answer.json()
        return found

    day = web.get("/calendar", params={"date": "2026-12-01"}).json()["next_trading_day"]
    return {
        "trade_date": make(f"/strategies/{slug}/signals", trade_date=day, signals=SIGNAL)["trade_date"],
        "factor_id": make("/factors", name="momentum", universe="hs300")["id"],
        "portfolio_id": make("/portfolios", name="momentum", universe="hs300")["id"],
        "name": make("/external/sources", name="cqs-free", url="https://feed.example")["name"],
        "key_id": make("/billing/api-keys", name="spare")["id"],
        "ticket_id": make("/tickets", title="a question", category="data")["id"],
        "address_id": make("/notifications/addresses", url="https://example.com/hook")["id"],
        "notification_id": web.get("/notifications", headers=mine).json()["notifications"][0]["id"],
    }


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


def shows_itself(shape: dict[str, Any]) -> bool:
    """Return whether a field or parameter has an example, or needs none: closed sets, and shapes of ours."""
    inner = [*shape.get("anyOf", ()), *([shape["items"]] if "items" in shape else [])]
    if any(word in shape for word in ("$ref", "enum", "const", "examples")) or shape.get("type") in ("boolean", "null"):
        return True
    return bool(inner) and all(map(shows_itself, inner))


def test_every_field_and_parameter_has_an_example_and_every_schema_words(records: Home) -> None:
    found = document(records.path)
    bare = []
    for name, schema in found["components"]["schemas"].items():
        if "enum" not in schema:
            assert schema.get("description") or name in OF_THE_FRAMEWORK, name
        if name not in OF_THE_FRAMEWORK:
            bare += [(name, field) for field, shape in schema.get("properties", {}).items() if not shows_itself(shape)]
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            given = operation.get("parameters", ())
            bare += [(method, path, each["name"]) for each in given if not shows_itself(each["schema"])]
    assert bare == []


def requests(operation: Any, mode: GenerationMode, world: World) -> SearchStrategy[Any]:
    """Valid or faulty requests: half of them about existing resources, so that they reach behind the 404."""
    # Both ways to carry a key, so that neither is where the fault is.
    key = world.mine["Authorization"]
    headers = {"Authorization": key, "x-api-key": key.removeprefix("Bearer ")}
    named = {each.name: world.known[each.name] for each in operation.path_parameters}
    anything = operation.as_strategy(mode, headers=headers)
    return operation.as_strategy(mode, headers=headers, path_parameters=named) | anything if named else anything


def can_be_faulty(operation: Any) -> bool:
    """Return whether a request can break the document's schema: any text at all names something."""
    bound = [each for each in operation.path_parameters if "pattern" in each.definition["schema"]]
    return bool(operation.body or operation.query or bound)


# Faulty ones first: they change no resource.
@pytest.mark.parametrize(
    ("mode", "expected"),
    [(GenerationMode.NEGATIVE, {400, 404, 422}), (GenerationMode.POSITIVE, {200, 201, 400, 404, 422})],
)
def test_made_up_requests_find_no_fault_and_no_undocumented_answer(
    world: World, mode: GenerationMode, expected: set[int]
) -> None:
    root = str(world.web.base_url).removesuffix("/api/v1/")
    schema = schemathesis.openapi.from_url(f"{root}/openapi.json")
    checks = [
        schemathesis.checks.not_a_server_error,
        schemathesis.specs.openapi.checks.status_code_conformance,
        schemathesis.specs.openapi.checks.content_type_conformance,
        schemathesis.specs.openapi.checks.response_schema_conformance,
    ]
    operations = [found.ok() for found in schema.exclude(path=ENDLESS).get_all_operations()]
    if mode.is_negative:
        operations = [operation for operation in operations if can_be_faulty(operation)]
    answered: dict[str, set[int]] = {}
    # Deletions come last: until then there is something to ask about.
    for operation in sorted(operations, key=lambda operation: operation.method == "delete"):

        @given(requests(operation, mode, world))
        @settings(max_examples=5, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
        def probe(case: Any) -> None:
            answer = case.call_and_validate(base_url=root, checks=checks, timeout=PATIENCE_SECONDS)
            answered.setdefault(case.operation.label, set()).add(answer.status_code)

        probe()
    assert len(answered) == len(operations)
    assert expected <= set().union(*answered.values())
