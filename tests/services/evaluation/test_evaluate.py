"""Evaluating sessions of a home by the tasks' own functions: waiting sessions, their figures, and that these stay."""

from collections.abc import Callable
from datetime import date, time

import polars as pl
import pytest
import sqlalchemy as sa

from countersign.domain.evaluation.claimed_performance import write_records
from countersign.domain.evaluation.metrics import TRADING_SCHEMA
from countersign.domain.sessions import at
from countersign.models.datasets import BARS, EVALUATIONS, NAV, ORDERS
from countersign.models.errors import ConflictError
from countersign.models.tables.claimed import ClaimedPerformance
from countersign.models.tables.settlement import Settlement
from countersign.services.evaluation.claimed_performance import upload_claimed
from countersign.services.evaluation.evaluate import count_scores, evaluate_sessions, find_unevaluated, rank
from countersign.services.evaluation.evaluations import read_strategies, read_trading
from countersign.services.evaluation.histories import unevaluated
from countersign.services.settlement.settled import settlement_of
from countersign.services.strategies.lifecycle import require_strategy
from countersign.store.home import Home
from tests.support.settling import evaluate_due, settle_due, settle_session
from tests.support.trading import put_market, trading

DAYS = trading().sessions
LAST = DAYS[-1]


def files(home: Home) -> dict[str, str]:
    return {file.path: file.sha256 for file in home.lake.files(EVALUATIONS)}


def waiting(home: Home, through: date = LAST) -> list[date]:
    with home.ledger.read() as db:
        return unevaluated(db, through)


def test_a_pass_a_session_gives_the_bytes_of_one_pass_for_all(fresh: Home, undisturbed: Home) -> None:
    for session in DAYS:
        settle_session(fresh, session)
        assert find_unevaluated(fresh, LAST) == [session]
        [done] = evaluate_sessions(fresh, [session])
        assert (done.session, done.scored) == (session, 0)
        assert done.strategies == fresh.lake.read(NAV, session).height
        assert waiting(fresh) == []
    assert files(fresh) == files(undisturbed)
    assert [done.session for done in evaluate_sessions(fresh, DAYS)] == list(DAYS)
    assert files(fresh) == files(undisturbed)


def test_figures_agree_with_the_nav_they_come_from(undisturbed: Home) -> None:
    rows, nav = undisturbed.lake.read(EVALUATIONS, LAST), undisturbed.lake.scan(NAV).collect()
    newest = nav.filter(pl.col("session") == LAST).sort("strategy")
    assert rows["strategy"].equals(newest["strategy"])
    assert rows["total_return"].to_list() == pytest.approx(newest["cumulative_return"].to_list(), rel=1e-12)
    counts = (
        nav.group_by("strategy").len().sort("strategy").filter(pl.col("strategy").is_in(newest["strategy"].implode()))
    )
    assert rows["sessions"].to_list() == counts["len"].to_list()
    assert set(rows["trials"]) == {len(trading().terms)}  # those that never began and that retired, too


def test_the_cost_of_trading_follows_from_the_orders_and_the_prices_of_the_bars(undisturbed: Home) -> None:
    with undisturbed.ledger.read() as db:
        strategies = read_strategies(db)
        settlement = settlement_of(db, DAYS[0])
    assert isinstance(settlement, Settlement)
    found = read_trading(undisturbed.lake, settlement, strategies)
    assert found.schema == pl.Schema(TRADING_SCHEMA)
    bars = {row["symbol"]: row for row in undisturbed.lake.read(BARS, DAYS[0]).iter_rows(named=True)}
    sums: dict[str, tuple[float, float]] = {}
    for order in undisturbed.lake.read(ORDERS, DAYS[0]).iter_rows(named=True):
        if order["filled"]:
            at = bars[order["symbol"]][trading().terms[order["strategy"]]["execution_price"]]
            worse = (order["price"] - at) * (1 if order["side"] == "buy" else -1)
            notional, costs = sums.get(order["strategy"], (0.0, 0.0))
            fees = float(order["commission"] + order["stamp_duty"])
            sums[order["strategy"]] = notional + float(order["notional"]), costs + fees + worse * order["filled"]
    assert len(sums) > 3
    assert {row[0]: (float(row[2]), float(row[3])) for row in found.iter_rows()} == {
        slug: (pytest.approx(notional), pytest.approx(costs, abs=0.2)) for slug, (notional, costs) in sums.items()
    }


def test_a_lost_file_comes_back_with_the_same_bytes(settled: Home, undisturbed: Home) -> None:
    [lost] = settled.lake.files(EVALUATIONS, DAYS[2], DAYS[2])
    (settled.lake_path / lost.path).unlink()
    evaluate_sessions(settled, [DAYS[2]])
    assert settled.lake.verify(settled.lake.files(EVALUATIONS)) == []
    assert files(settled) == files(undisturbed)


def test_after_a_correction_its_session_and_all_later_ones_wait(settled: Home) -> None:
    assert waiting(settled) == []
    before = files(settled)
    with settled.ledger.write() as db:
        found = settlement_of(db, DAYS[1])
        assert found is not None
        copy = found.model_dump(exclude={"id"}) | {"version": 2, "manifest_sha256": "f" * 64}
        db.add(Settlement(**copy))
    assert waiting(settled) == list(DAYS[1:])
    assert evaluate_due(settled, LAST) == 4
    assert waiting(settled) == []
    after = files(settled)
    assert len(after) == 5
    assert len(set(after) & set(before)) == 1
    assert sorted(after.values()) == sorted(before.values())  # the results were not corrected, only rest on others


def test_a_session_that_is_not_settled_is_refused_and_nothing_written(fresh: Home) -> None:
    settle_session(fresh, DAYS[0])
    with pytest.raises(ConflictError, match="not all of these sessions are settled"):
        evaluate_sessions(fresh, DAYS[:2])
    assert files(fresh) == {}
    assert find_unevaluated(fresh, DAYS[1]) == [DAYS[0]]


def test_bars_corrected_after_settlement_change_nothing(settled: Home) -> None:
    before = files(settled)
    bars = settled.lake.read(BARS, DAYS[3]).with_columns(pl.col("open", "close") * 2)
    put_market(settled, bars, trading().market.index_levels.filter(pl.col("session") == DAYS[3]))
    evaluate_sessions(settled, [DAYS[3]])
    assert files(settled) == before


def scored(home: Home, session: date, score: Callable[[int], float | None]) -> None:
    """Put scores in place of an evaluation's."""
    rows = home.lake.read(EVALUATIONS, session)
    scores = pl.Series("score", [score(n) for n in range(rows.height)], dtype=pl.Float64)
    file = home.lake.stage(EVALUATIONS, session, rows.with_columns(scores))
    with home.ledger.write() as db:
        home.lake.commit(db, [file], home.clock.now())


def test_the_ranking_says_what_changed(settled: Home) -> None:
    assert rank(settled, LAST) == []
    assert count_scores(settled, LAST) == [0] * 10
    scored(settled, LAST, lambda n: [100.0, 9.9, None, 55.0][n] if n < 4 else None)
    scored(settled, DAYS[-2], lambda n: 60.0 if n == 3 else None)
    rows = rank(settled, LAST)
    slugs = settled.lake.read(EVALUATIONS, LAST)["strategy"]
    assert [(row["rank"], row["strategy"], row["score"]) for row in rows] == [
        (1, slugs[0], 100.0),
        (2, slugs[3], 55.0),
        (3, slugs[1], 9.9),
    ]
    assert rows[0]["change"] is None
    assert count_scores(settled, LAST) == [1, 0, 0, 0, 0, 1, 0, 0, 0, 1]


def test_a_home_that_settled_long_without_evaluating_catches_up(fresh: Home, undisturbed: Home) -> None:
    settle_due(fresh, LAST)
    assert evaluate_due(fresh, DAYS[1]) == 2
    assert evaluate_due(fresh, LAST) == 3
    assert files(fresh) == files(undisturbed)


def test_a_session_evaluated_late_counts_the_claim_before_its_close(settled: Home) -> None:
    before = files(settled)
    nav = settled.lake.scan(NAV).filter(pl.col("strategy") == "s00").sort("session").collect()
    records = write_records((day, float(level)) for day, level in nav.select("session", "nav").rows())

    def claim(text: str, hour: int) -> None:
        with settled.ledger.write() as db:
            upload_claimed(db, require_strategy(db, "s00"), text, 5, at(LAST, time(hour)), "operator")

    claim(records, 15)
    evaluate_sessions(settled, DAYS)
    assert files(settled) == before  # nobody could know of it then
    with settled.ledger.write() as db:
        db.execute(sa.update(ClaimedPerformance).values(uploaded_at=at(LAST, time(14))))
    evaluate_sessions(settled, DAYS)
    after = files(settled)
    assert len(set(before) - set(after)) == 1  # the fifth session is the first with a verdict
    assert sorted(after.values()) == sorted(before.values())  # too young for a score
    claim(records.replace("=", "=1"), 16)
    evaluate_sessions(settled, DAYS)
    assert files(settled) == after
    assert waiting(settled) == []
