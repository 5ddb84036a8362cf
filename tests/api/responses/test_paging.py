"""Lists a page at a time: all that the OpenAPI document knows, at and beyond the bounds of `limit` and `offset`."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from sqlmodel import col, select

from countersign.api.app import bare_app
from countersign.domain.external.items import normalise
from countersign.models.tables.external import Gap
from countersign.models.tables.operations import Notification
from countersign.models.tables.portfolios import FactorPortfolio
from countersign.models.tables.strategies import Strategy
from countersign.services.accounts.accounts import grant_admin
from countersign.services.external.answers import Poll, store_answer
from countersign.services.publication.publish import publish
from tests.support import settled as made
from tests.support.feeds import ITEM, NOON, enter
from tests.support.serving import browsing, join
from tests.support.strategies import send

# Name of each list in its answer.
PAGED = {
    "/strategies": "strategies",
    "/strategies/{slug}/signals": "signals",
    "/public/strategies": "strategies",
    "/public/strategies/{slug}/audit": "audit_log",
    "/factors": "factors",
    "/portfolios": "portfolios",
    "/portfolios/{portfolio_id}/signals": "signals",
    "/notifications": "notifications",
    "/tickets": "tickets",
    "/external/signals": "signals",
    "/external/gaps": "gaps",
    "/external/sources/{name}/quarantine": "items",
}
FARTHEST = 2**31 - 1


class Reader:
    """Somebody who has two or more of everything that is listed."""

    def __init__(self, web: httpx.Client, headers: dict[str, str], portfolio: str) -> None:
        self.web, self.headers = web, headers
        self.names = {"slug": made.slugs(1)[0], "portfolio_id": portfolio, "name": "feed"}

    def ask(self, path: str, **query: int) -> httpx.Response:
        return self.web.get(path.format(**self.names), params=query, headers=self.headers)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader of a home with at least two rows in every list."""
    home = made.make_home(tmp_path_factory.mktemp("paging") / "home")
    for day in made.weekdays(2):
        send(home, day, {made.slugs(1)[0]: {"600519.SH": 0.5}})
        made.settle(home, day)
    publish(home)
    source = enter(home, "feed", "https://feed.example")
    unfit = [ITEM | {"buy_start": price} for price in ("-1", "-2")]
    with browsing(home) as web:
        mine = join(home, web)
        for n in ("1", "2"):
            web.post("/factors", json={"name": n, "universe": "hs300"}, headers=mine)
            web.post("/portfolios", json={"name": n, "universe": "hs300"}, headers=mine)
            web.post("/tickets", json={"title": n, "category": "bug"}, headers=mine)
        me = web.get("/auth/me", headers=mine).json()["nickname"]
        with home.ledger.write() as db:
            my_id = grant_admin(db, me, NOON).id
            for strategy in db.exec(select(Strategy)):
                strategy.owner_id = my_id
            portfolio = db.exec(select(FactorPortfolio).order_by(col(FactorPortfolio.name))).first()
            assert portfolio
            portfolio.strategy_id = 1
            db.add_all(Notification(user_id=my_id, key=n, kind="settled", text=n, created_at=NOON) for n in "12")
            store_answer(db, Poll(source, NOON, NOON, 60), normalise([ITEM, ITEM | {"id": "another"}, *unfit]))
            hours = [NOON + timedelta(hours=n) for n in range(2)]
            db.add_all(Gap(source_id=source, started_at=hour, ended_at=hour) for hour in hours)
            found = Reader(web, mine, portfolio.id)
        yield found


def test_no_paged_list_is_forgotten() -> None:
    found = {
        path.removeprefix("/api/v1")
        for path, operations in bare_app().openapi()["paths"].items()
        if "limit" in {each["name"] for each in operations.get("get", {}).get("parameters", ())}
    }
    assert found == set(PAGED)


@pytest.mark.parametrize("path", PAGED)
def test_a_limit_or_offset_out_of_bounds_is_refused_and_one_at_a_bound_is_taken(reader: Reader, path: str) -> None:
    skip = "cursor" if path == "/external/signals" else "offset"
    for name, value in (("limit", 0), ("limit", 201), ("limit", -1), (skip, -1), (skip, FARTHEST + 1)):
        answer = reader.ask(path, **{name: value})
        assert answer.status_code == 422, (name, value)
        assert [fault["loc"] for fault in answer.json()["detail"]] == [["query", name]]
    pages = [{"limit": 1}, {"limit": 200}, {skip: FARTHEST}, {"limit": 200, skip: 1000}]
    one, everything, *beyond = (reader.ask(path, **page).json()[PAGED[path]] for page in pages)
    assert len(everything) > 1
    assert one == everything[:1]
    assert beyond == [[], []]
