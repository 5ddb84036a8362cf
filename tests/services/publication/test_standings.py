"""Standings and claims in the lens: one row a strategy, also one that came late, was corrected, or ended long ago."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from countersign.domain.evaluation.claimed_performance import write_records
from countersign.models.datasets import EVALUATIONS
from countersign.models.enums import StrategyStatus
from countersign.models.tables.claimed import ClaimedPerformance
from countersign.services.evaluation.claimed_performance import upload_claimed
from countersign.services.publication.publish import lens_is_current, publish, rebuild
from countersign.services.strategies.lifecycle import require_strategy
from countersign.store.home import Home
from countersign.store.lens.reader import open_lens
from tests.support.settled import commit, make_home, results, settle, settled_at, slugs, stage, weekdays

DAYS = weekdays(12)
STANDINGS = "FROM standings ORDER BY strategy"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with nothing settled."""
    return make_home(tmp_path / "home")


def shown(home: Home, sql: str = STANDINGS) -> pl.DataFrame:
    with open_lens(home.path) as lens, lens.use() as db:
        return pl.DataFrame(db.sql(sql).to_arrow_table())


def expected(home: Home) -> list[dict[str, Any]]:
    """Row by row, from the views that hold the histories."""
    nav, evaluations = (shown(home, f"FROM {view} ORDER BY session") for view in ("nav", "evaluations"))
    rows = []
    for slug in nav["strategy"].unique().sort():
        history = nav.filter(pl.col("strategy") == slug)
        last = history.row(-1, named=True)
        figures = {name: None for name in EVALUATIONS.schema if name in evaluations.columns} | {"session": None}
        for row in evaluations.filter(pl.col("strategy") == slug).iter_rows(named=True):
            figures = row
        rows.append(
            {name: last[name] for name in ("strategy", "session", "nav", "daily_return", "cumulative_return")}
            | {"trading_days": history.height, "evaluated": figures["session"]}
            | {name: value for name, value in figures.items() if name not in {"strategy", "session"}}
        )
    return rows


def held(home: Home) -> list[dict[str, Any]]:
    return [dict(row) for row in shown(home).iter_rows(named=True)]


def test_standings_equal_the_newest_evaluations_after_every_publication(home: Home) -> None:
    publish(home)
    assert held(home) == []
    for session in DAYS[:3]:
        settle(home, session)
    publish(home)
    assert held(home) == expected(home)
    # One ends, another begins.
    for session in DAYS[3:6]:
        frames = results(session, slugs(5)[1:], ("600000.SH",), 0)
        commit(home, session, stage(home, session, frames), 4)
        publish(home)
        assert held(home) == expected(home)
    # The day that one's last evaluation is of is corrected; then an earlier day, and nothing new.
    settle(home, DAYS[2], seed=1)
    settle(home, DAYS[1], seed=1)
    publish(home)
    assert [row["trading_days"] for row in held(home)] == [3, 6, 6, 3, 3]
    assert held(home) == expected(home)
    # Settled, and not evaluated yet.
    frames = results(DAYS[6], slugs(6)[1:], ("600000.SH",), 0)
    frames.pop("evaluations")
    commit(home, DAYS[6], stage(home, DAYS[6], frames), 5)
    publish(home)
    rows = held(home)
    assert rows == expected(home)
    assert [(row["session"], row["evaluated"]) for row in rows[-2:]] == [(DAYS[6], DAYS[5]), (DAYS[6], None)]
    assert rows[-1]["score"] is None
    before = shown(home)
    rebuild(home)
    assert_frame_equal(shown(home), before)


def test_claims_come_from_the_current_uploads(home: Home) -> None:
    settle(home, DAYS[0])
    publish(home)
    activated = settled_at(DAYS[0]).date().replace(year=2024, month=12, day=3)
    with home.ledger.write() as db:
        strategy = require_strategy(db, "strategy-00001")
        strategy.status = StrategyStatus.ACTIVE
        for base in (50.0, 10.0):
            records = [(activated.replace(day=n), base * n) for n in (1, 2, 3, 4)]
            upload_claimed(db, strategy, write_records(records), 4, settled_at(DAYS[0]), "operator")
    assert not lens_is_current(home)
    publish(home)
    rows = shown(home, "FROM claims ORDER BY session").rows()
    assert rows == [("strategy-00001", activated.replace(day=n), float(n), n >= 3) for n in (1, 2, 3, 4)]
    with home.ledger.write() as db:
        upload = db.get_one(ClaimedPerformance, 2)
        upload.superseded_at = settled_at(DAYS[1])
        db.add(upload)
    publish(home)
    assert shown(home, "FROM claims").height == 0
