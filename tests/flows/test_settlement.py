"""The settlement flow under a real Prefect server: in order, alone, held, caught up, and after each kind of death."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from countersign.deployments.orchestration.server import prefect_server
from countersign.deployments.supervision.child import Child
from countersign.models.datasets import BARS, NAV, ORDERS
from countersign.models.errors import InputError
from countersign.services.notifications.notifications import open_alerts
from countersign.services.publication.publish import lens_is_current
from countersign.store.home import Home
from countersign.store.lens.versions import LINK
from tests.support.artifacts import artifact
from tests.support.prepared_home import prepare_home
from tests.support.settling import results
from tests.support.trading import put_market, trading
from tests.support.waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

DAYS = trading().sessions
LAST = DAYS[-1]


def settle(home: Home, session: date | None = None) -> list[dict[str, Any]]:
    from countersign.flows.settlement import settle_all_active_strategies  # noqa: PLC0415 - imported where its server is known

    return settle_all_active_strategies(session=session, home=home.path)


def matters(home: Home) -> list[str]:
    with home.ledger.read() as db:
        return [matter.text for matter in open_alerts(db)]


def without_bars(home: Home, session: date) -> None:
    [file] = home.lake.files(BARS, session, session)
    with home.ledger.write() as db:
        row = db.merge(file)
        row.superseded_at = home.clock.now()


def test_a_schedule_that_slept_is_caught_up_in_order(served_home: Path, fresh: Home, undisturbed: Home) -> None:
    rows = settle(fresh)  # the newest closed session by the home's clock
    assert [row["session"] for row in rows] == [day.isoformat() for day in DAYS]
    assert {row["state"] for row in rows} == {"settled"}
    assert results(fresh) == results(undisturbed)
    assert fresh.lake.orphans() == []
    assert lens_is_current(fresh)
    for row, day in zip(rows, DAYS, strict=True):
        nav = fresh.lake.read(NAV, day)
        assert row["strategies"] == nav.height
        assert row["rebalanced"] == nav.filter(pl.col("event") == "REBALANCE").height
        orders = fresh.lake.read(ORDERS, day)
        refused = Counter(orders["reason"].drop_nulls())
        assert row["orders"] == orders.height
        assert row["refused"] == ", ".join(f"{reason} {refused[reason]}" for reason in sorted(refused))
        changes = sorted(nav.drop_nulls("daily_return").select("daily_return", "strategy").iter_rows())
        for name, at in (("best", -1), ("worst", 0)):
            assert row[name] == (f"{changes[at][1]} {changes[at][0]:+.2%}" if changes else "")
    assert any(row["refused"] for row in rows)
    assert json.loads(artifact("settle")) == rows
    lens = (fresh.path / LINK).resolve()
    assert f"[{lens.name}]({lens.as_uri()})" in artifact("lens")
    # Once more, by schedule and by name.
    assert settle(fresh) == []
    assert [row["session"] for row in settle(fresh, DAYS[2])] == [DAYS[2].isoformat()]
    assert results(fresh) == results(undisturbed)


def test_a_day_that_is_no_session_or_has_not_closed_is_not_settled(served_home: Path, fresh: Home) -> None:
    assert settle(fresh, date(2025, 3, 8)) == []
    with pytest.raises(InputError, match="session: expected one that has closed, got 2025-03-10"):
        settle(fresh, date(2025, 3, 10))
    assert fresh.lake.sessions(NAV) == []


def test_a_held_session_keeps_the_later_ones_waiting_until_its_bars_are_there(
    served_home: Path, fresh: Home, undisturbed: Home
) -> None:
    without_bars(fresh, DAYS[1])
    rows = settle(fresh)
    assert [(row["session"], row["state"]) for row in rows] == [("2025-03-03", "settled"), ("2025-03-04", "held")]
    assert rows[1]["detail"].startswith("no bars")
    assert fresh.lake.sessions(NAV) == [DAYS[0]]
    assert len(matters(fresh)) == 1
    assert matters(fresh)[0].startswith("2025-03-04 is not settled: no bars")
    assert [row["state"] for row in settle(fresh, LAST)] == ["held"]
    assert len(matters(fresh)) == 1
    market = trading().market
    put_market(
        fresh,
        market.bars.filter(pl.col("session") == DAYS[1]),
        market.index_levels.filter(pl.col("session") == DAYS[1]),
    )
    assert [row["state"] for row in settle(fresh)] == ["settled"] * 4
    assert matters(fresh) == []
    assert results(fresh) == results(undisturbed)


def child(home: Home, gate: Path, more: dict[str, str] | None = None) -> Child:
    environment = {"COUNTERSIGN_HOME": str(home.path), "GATE": str(gate), **(more or {})}
    return Child(["tests.support.settle_now"], environment, gate.parent / f"{gate.name}.log")


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A file that a settling process leaves in the middle of its work, and waits for the file `go` beside it."""
    folder = tmp_path / "gate"
    folder.mkdir()
    yield folder / "first"
    (folder / "go").touch()


def test_two_at_once_one_works_and_the_results_are_as_ever(
    served_home: Path, fresh: Home, undisturbed: Home, gate: Path
) -> None:
    first = child(fresh, gate)
    try:
        wait_until(gate.exists, child=first)
        assert settle(fresh) == []  # another run is settling
        assert fresh.lake.sessions(NAV) == [DAYS[0]]
        (gate.parent / "go").touch()
        wait_until(lambda: first.exit_code is not None)
        assert first.exit_code == 0, first.log.read_text()
    finally:
        first.kill_group()
    assert results(fresh) == results(undisturbed)
    assert lens_is_current(fresh)


@pytest.mark.slow
def test_a_killed_run_leaves_its_work_to_the_next(
    served_home: Path, fresh: Home, undisturbed: Home, gate: Path
) -> None:
    first = child(fresh, gate)
    wait_until(gate.exists, child=first)
    first.kill_group()
    assert fresh.lake.sessions(NAV) == [DAYS[0]]
    assert len(fresh.lake.orphans()) > 0  # the second session was staged, and not committed
    assert len(settle(fresh)) == 4  # at once: the lease of the dead is nobody's
    assert results(fresh) == results(undisturbed)
    assert fresh.lake.orphans() == []


@pytest.mark.slow
@pytest.mark.parametrize("traded", ["sqlite"], indirect=True)  # a server is dear, and not the ledger's affair
def test_a_prefect_server_that_dies_in_the_middle_costs_a_run_and_nothing_else(
    served_home: Path, fresh: Home, undisturbed: Home, gate: Path, tmp_path: Path
) -> None:
    other = prepare_home(served_home, tmp_path / "other")
    with prefect_server(other) as url:
        run = child(fresh, gate, {"PREFECT_API_URL": url})
        try:
            wait_until(gate.exists, child=run)
            _kill_server(other)
            (gate.parent / "go").touch()
            # Its work goes on; then its client tries for minutes to report to the server that is gone.
            wait_until(lambda: fresh.lake.sessions(NAV) == list(DAYS) or run.exit_code is not None)
        finally:
            run.kill_group()
    settle(fresh, LAST)
    assert results(fresh) == results(undisturbed)
    assert matters(fresh) == []


def _kill_server(home: Path) -> None:
    from countersign.deployments.orchestration.server import _read_record  # noqa: PLC0415 - to kill it as an accident would

    record = _read_record(home)
    assert record
    os.kill(record[1].pid, 9)
