"""Query parameters that an operation does not know, or is given twice, are refused."""

from collections.abc import Iterator

import httpx
import pytest

from countersign.services.publication.publish import publish
from tests.support import settled as made
from tests.support.serving import browsing, join

PUBLIC = "/public/strategies"
RECORD = f"{PUBLIC}/strategy-00001"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, dict[str, str]]]:
    """Somebody with a key, at a platform with two settled sessions."""
    home = made.make_home(tmp_path_factory.mktemp("queries") / "home")
    for day in made.weekdays(2):
        made.settle(home, day)
    publish(home)
    with browsing(home) as web:
        yield web, join(home, web)


@pytest.mark.parametrize(
    ("path", "once", "name"),
    [
        ("/tickets", "status=open", "status"),
        ("/notifications", "unread_only=true", "unread_only"),
        ("/strategies", "status=active", "status"),
        ("/factors", "universe=hs300", "universe"),
        ("/portfolios", "limit=1", "limit"),
        ("/external/signals", "limit=1", "limit"),
        ("/calendar", "month=2025-01", "month"),
        (PUBLIC, "universe=hs300", "universe"),
        (f"{RECORD}/track-record", "", None),
        (f"{RECORD}/performance", "", None),
        (f"{RECORD}/audit", "limit=1", "limit"),
        (f"{RECORD}/verify", "date=2025-01-02", "date"),
    ],
)
def test_a_parameter_that_is_unknown_or_given_twice_is_refused(
    reader: tuple[httpx.Client, dict[str, str]], path: str, once: str, name: str | None
) -> None:
    web, mine = reader
    faulty = {f"{once}&nonsense=1": "nonsense", f"{once}&nonsense": "nonsense", "Limit=1": "Limit"}
    if name:
        faulty[f"{once}&{once}"] = name
    for _ in range(2):  # public answers may be given again: refused ones must not be
        for query, where in faulty.items():
            answer = web.get(f"{path}?{query}", headers=mine)
            assert answer.status_code == 422, query
            assert [fault["loc"] for fault in answer.json()["detail"]] == [["query", where]]
        assert web.get(f"{path}?{once}", headers=mine).status_code == 200
