"""The public list: filters, orders and pages; and a strategy's performance as of its newest evaluation."""

from collections.abc import Iterator
from typing import Any

import httpx
import polars as pl
import pytest
from sqlmodel import col, select

from countersign.domain.evaluation.claimed_performance import write_records
from countersign.models.datasets import EVALUATIONS
from countersign.models.enums import ExecutionPrice, SortKey, StrategyStatus
from countersign.models.tables.strategies import Strategy
from countersign.models.wire.performance import Metrics, PerformanceAnswer
from countersign.models.wire.public import PublicStrategy
from countersign.services.evaluation.claimed_performance import upload_claimed
from countersign.services.publication.publish import publish
from countersign.store.home import Home
from tests.support import settled as made
from tests.support.serving import browsing

COUNT, DAYS = 7, made.weekdays(62)
WEB = "/public/strategies"
# As the fixture makes them, newest first: strategy 6 never has a NAV, 5 is hidden.
SHOWN = [f"strategy-{n:05d}" for n in (6, 4, 3, 2, 1, 0)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Strategies 0 to 4 with 62 sessions, 4 with three less; scores 10, null, 30, 30 and 20."""
    home = made.make_home(tmp_path_factory.mktemp("listed") / "home", COUNT)
    for session in DAYS:
        names = made.slugs(6)
        names = [name for name in names if not (name.endswith("4") and session < DAYS[3])]
        frames = made.results(session, names, ("600000.SH",), 0)
        frames["evaluations"] = frames["evaluations"].with_columns(
            score=pl.col("strategy")
            .replace_strict(dict(zip(made.slugs(6), (10, None, 30, 30, 20, 40), strict=True)))
            .cast(pl.Float64)
        )
        made.commit(home, session, made.stage(home, session, frames), len(names))
    with home.ledger.write() as db:
        found = db.exec(select(Strategy).order_by(col(Strategy.id))).all()
        for strategy in found:
            strategy.status = StrategyStatus.ACTIVE
            db.add(strategy)
        found[2].status, found[2].name = StrategyStatus.PAUSED, "100% Größe_x"
        found[3].execution_price = ExecutionPrice.CLOSE
        found[5].is_public = False
        upload_claimed(
            db, found[0], write_records([(DAYS[0], 1.0), (DAYS[1], 2.0)]), 2, made.settled_at(DAYS[5]), "operator"
        )
    publish(home)
    return home


@pytest.fixture(scope="module")
def web(home: Home) -> Iterator[httpx.Client]:
    """The api of `home`, without rate limits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERSIGN_RATE_LIMIT", "0")
        with browsing(home) as client:
            yield client


def listed(web: httpx.Client, **asked: Any) -> list[str]:
    answer = web.get(WEB, params=asked)
    assert answer.status_code == 200, answer.text
    return [each["slug"] for each in answer.json()["strategies"]]


def numbers(*wanted: int) -> list[str]:
    return [f"strategy-{n:05d}" for n in wanted]


def test_filters_choose_strategies(web: httpx.Client) -> None:
    assert listed(web) == SHOWN
    assert listed(web, universe="hs300") == numbers(3, 1)
    assert listed(web, status="paused") == numbers(2)
    assert listed(web, execution_price="close") == numbers(3)
    assert listed(web, creator="ann") == numbers(6, 4, 2, 0)
    assert listed(web, creator="nobody") == []
    assert listed(web, has_claimed="true") == numbers(0)
    assert listed(web, has_claimed="false", creator="ann") == numbers(6, 4, 2)
    assert listed(web, min_trading_days=60) == numbers(3, 2, 1, 0)
    assert listed(web, min_trading_days=59, universe="csi500") == numbers(4, 2, 0)
    assert listed(web, min_trading_days=63) == []
    assert listed(web, search="STRATEGY 1") == listed(web, search="-00001") == numbers(1)
    assert listed(web, search="100% G") == listed(web, search="ße_") == numbers(2)
    assert listed(web, search="0_0") == listed(web, search="%")[1:] == []


def test_orders_are_best_first_with_ties_newest_first(web: httpx.Client) -> None:
    assert listed(web, order="score") == numbers(3, 2, 4, 0, 6, 1)
    assert listed(web, order="trading_days")[-2:] == numbers(4, 6)
    rows = {each["slug"]: each for each in web.get(WEB).json()["strategies"]}
    for order in SortKey:
        found = listed(web, order=order)
        assert sorted(found) == sorted(SHOWN)
        if order.value in rows[SHOWN[0]]:
            values = [rows[slug][order] for slug in found if rows[slug][order] is not None]
            assert values == sorted(values, reverse=order is not SortKey.MAX_DRAWDOWN), order
            assert [rows[slug][order] for slug in found][: len(values)] == values


def test_pages_cut_the_list_without_loss(web: httpx.Client) -> None:
    whole = listed(web, order="score")
    assert [slug for n in range(6) for slug in listed(web, order="score", limit=1, offset=n)] == whole
    assert [slug for n in (0, 4) for slug in listed(web, limit=4, offset=n)] == SHOWN
    beyond = web.get(WEB, params={"offset": 6}).json()
    assert beyond == {"strategies": [], "total": 6}
    assert web.get(WEB, params={"offset": 2**31 - 1, "limit": 200, "order": "psr"}).json()["strategies"] == []


def test_a_faulty_query_is_refused_by_name(web: httpx.Client) -> None:
    wrong = {
        "limit": ("0", "201", "-1", "x"),
        "offset": ("-1", str(2**31)),
        "order": ("name", ""),
        "universe": ("sp500",),
        "status": ("gone",),
        "execution_price": ("vwap",),
        "has_claimed": ("perhaps",),
        "min_trading_days": ("-1", str(2**31)),
        "creator": ("", "a\0b", "x" * 101),
        "search": ("", "a\0b"),
        "colour": ("red",),
        "sort": ("score",),
    }
    for name, values in wrong.items():
        for value in values:
            answer = web.get(WEB, params={name: value})
            assert answer.status_code == 422, (name, value)
            assert answer.json()["detail"][0]["loc"] == ["query", name]


def test_a_row_shows_a_strategys_standing(web: httpx.Client, home: Home) -> None:
    rows = {each["slug"]: each for each in web.get(WEB).json()["strategies"]}
    newest = home.lake.read(EVALUATIONS, DAYS[-1])
    for slug in numbers(4, 3, 2, 1, 0):
        row, [standing] = rows[slug], newest.filter(pl.col("strategy") == slug).to_dicts()
        assert set(row) == set(PublicStrategy.model_fields)
        assert {name: row[name] for name in ("score", "sharpe", "max_drawdown", "psr")} == {
            name: standing[name] for name in ("score", "sharpe", "max_drawdown", "psr")
        }
        assert (row["latest_date"], row["evaluated"]) == (str(DAYS[-1]), str(DAYS[-1]))
        record = web.get(f"{WEB}/{slug}/track-record").json()["records"]
        assert (row["trading_days"], row["total_return"]) == (len(record), record[-1]["cumulative_return"])
    assert (rows[SHOWN[0]]["trading_days"], rows[SHOWN[0]]["nav"], rows[SHOWN[0]]["score"]) == (0, None, None)


def test_performance_is_the_newest_evaluation(web: httpx.Client, home: Home) -> None:
    answer = web.get(f"{WEB}/strategy-00000/performance")
    shown = answer.json()
    assert set(shown) == set(PerformanceAnswer.model_fields)
    [standing] = home.lake.read(EVALUATIONS, DAYS[-1]).filter(pl.col("strategy") == "strategy-00000").to_dicts()
    assert set(shown["metrics"]) == set(Metrics.model_fields)
    assert shown["metrics"].pop("trading_days") == standing["sessions"]
    assert shown["metrics"] == {name: standing[name] for name in shown["metrics"]}
    assert shown["score_parts"] == {name: standing[f"score_{name}"] for name in shown["score_parts"]}
    for name in ("score", "sortino", "turnover", "cost", "psr", "deflated_sharpe", "trials", "min_track_record"):
        assert shown[name] == standing[name]
    # The rolling series by its definition.
    record = web.get(f"{WEB}/strategy-00000/track-record").json()["records"]
    nav = pl.Series([1.0, *(row["nav"] for row in record)])
    excess = (nav.pct_change()[1:] - pl.Series([row["benchmark_return"] for row in record])).to_list()
    for n, row in enumerate(shown["rolling_excess_sharpe"]):
        window = pl.Series(excess[n : n + 60])
        assert row["value"] == pytest.approx(window.mean() / window.std() * 252**0.5)  # type: ignore[operator]
    assert [row["date"] for row in shown["rolling_excess_sharpe"]] == [str(day) for day in DAYS[59:]]
    assert web.get(f"{WEB}/strategy-00004/performance").json()["rolling_excess_sharpe"] == []
    again = web.get(f"{WEB}/strategy-00000/performance", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    bare = web.get(f"{WEB}/strategy-00006/performance").json()
    assert (bare["evaluated"], bare["metrics"]["sharpe"], bare["metrics"]["trading_days"]) == (None, None, 0)
    for hidden in ("strategy-00005", "nobody"):
        assert web.get(f"{WEB}/{hidden}/performance").json() == {"detail": "Strategy not found"}


def test_before_the_first_publication_all_strategies_are_listed_without_figures(
    web: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    empty = made.make_home(tmp_path_factory.mktemp("unpublished") / "home", 2)
    with browsing(empty) as client:
        assert listed(client, order="max_drawdown") == numbers(1, 0)
        assert listed(client, min_trading_days=1) == []
        assert client.get(f"{WEB}/strategy-00000/performance").json()["score"] is None
