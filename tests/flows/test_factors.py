"""Factor flows under a real Prefect server: tracking that catches up and shows, and measuring again."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest
from sqlmodel import select

from countersign.domain.sessions import at
from countersign.models.datasets import BARS, FACTOR_IC, FACTOR_VALUES
from countersign.models.enums import FactorStatus, FactorUniverse
from countersign.models.errors import InputError, StoreError
from countersign.models.tables.factors import Factor, FactorTerms
from countersign.models.tables.operations import Notification
from countersign.services.factors import revalidate
from countersign.services.factors.lifecycle import open_factor
from countersign.services.factors.series import read_series
from countersign.services.factors.validation import validate
from countersign.services.market.closes import Closes
from countersign.services.publication.publish import lens_is_current
from countersign.services.strategies.lifecycle import ensure_user
from countersign.services.watchdog.digest_checks import damaged_files
from countersign.store.home import Home
from countersign.store.ledger.leases import lease
from countersign.store.market import stage_sessions
from tests.support.artifacts import artifact
from tests.support.factors import market_of
from tests.support.portfolios import NAMES, SLOTS, Lab, factor_of, later_days, put_market, upload

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture
def home(lab_home: Home) -> Home:
    """The home of the lab, under its usual name."""
    return lab_home


def test_tracking_catches_up_publishes_and_shows(served_home: Path, home: Home, lab: Lab) -> None:
    from countersign.flows.factors import factor_os_tracking  # noqa: PLC0415 - imported where its server is known

    for name in NAMES:
        upload(home, lab.owner, lab.factors[name], name, lab.later[0], lab.later[-1])
    home.clock.set(at(lab.later[-1], SLOTS["factor-tracking"].at))
    with lease(home.ledger, "factor-tracking"):
        assert factor_os_tracking(home=home.path) == []
    rows: list[dict[str, Any]] = factor_os_tracking(home=home.path)
    assert rows == [{"session": str(day), "factors": 2, "measured": 2} for day in lab.later[:3]]
    assert lens_is_current(home)
    table, drawing = artifact("factor-tracking"), artifact("factor-ic")
    assert [row["factor"] for row in orjson.loads(table)] == list(NAMES)
    assert drawing.count("\n") == 3
    assert factor_os_tracking(home=home.path) == []
    assert factor_os_tracking(date(2024, 12, 28), home=home.path) == []  # a Saturday


@pytest.mark.slow
def test_factors_are_measured_again_on_corrected_bars(served_home: Path, home: Home, lab: Lab) -> None:
    from countersign.flows.factors import factor_revalidation  # noqa: PLC0415 - imported where its server is known

    days = sorted(market_of(home).bars["session"].unique())
    upload(home, lab.owner, lab.factors["first"], "noise", lab.later[0], lab.later[-1])
    before, series = factor_of(home, lab, "first"), read_series(home.lake, lab.factors["first"])
    # On the same bars nothing changes, though there are more values by now: only another factor was admitted since.
    rows: list[dict[str, Any]] = factor_revalidation(days[3], days[4], home=home.path)
    assert {(row["status"], row["fails"]) for row in rows} == {("active", "")}
    since = {"max_correlation", "checks"}
    assert factor_of(home, lab, "first").model_dump(exclude=since) == before.model_dump(exclude=since)
    assert read_series(home.lake, lab.factors["first"]).equals(series)
    # On prices that nobody foresaw both fail, stay active, and each owner gets one notification.
    put(home, unforeseen(home))
    for _ in range(2):
        rows = factor_revalidation(days[0], days[-1], home=home.path)
        assert [(row["factor"], row["status"], row["fails"] != "") for row in rows] == [
            (name, "active", True) for name in NAMES
        ]
    changed = factor_of(home, lab, "first")
    assert rows[0]["ic_mean after"] == round(changed.ic_mean or 0.0, 4) != round(before.ic_mean or 0.0, 4)
    assert (changed.status, changed.validated_through) == ("active", before.validated_through)
    assert not read_series(home.lake, lab.factors["first"]).equals(series)
    assert open_notices(home) == [("factor fails", None)] * 2 + [("factor_revalidated", lab.owner)] * 2
    # A factor that was rejected on wrong bars may be submitted again on the right ones.
    rejected = open_rejected(home, "first")
    put_market(home)
    rows = factor_revalidation(days[0], days[-1], home=home.path)
    assert {row["factor"]: row["status"] for row in rows} == {"first": "active", "second": "active", "again": "ready"}
    assert factor_of(home, lab, "first").ic_mean == before.ic_mean
    assert [kind for kind, _ in open_notices(home)] == ["factor_revalidated"]
    with home.ledger.read() as db:
        ready = db.get_one(Factor, rejected)
    assert (ready.status, ready.ic_mean, ready.reject_reason) == (FactorStatus.READY, None, None)
    assert [file for file in home.lake.files(FACTOR_IC) if file.series == rejected] == []
    with pytest.raises(InputError, match="from: expected a day not after"):
        factor_revalidation(days[4], days[3], home=home.path)


def test_a_factor_that_cannot_be_measured_keeps_no_other_out(served_home: Path, home: Home, lab: Lab) -> None:
    from countersign.flows.factors import factor_revalidation  # noqa: PLC0415 - imported where its server is known

    days = sorted(market_of(home).bars["session"].unique())
    other = open_rejected(home, "noise")
    for file in home.lake.files(FACTOR_VALUES):
        if file.series == other:
            (home.lake_path / file.path).rename(home.lake_path / "away")
            lost = file
    series = next(file for file in home.lake.files(FACTOR_IC) if file.series == lab.factors["second"])
    (home.lake_path / series.path).unlink()
    told = {problem.subject: problem.text for problem in damaged_files(home, days[-1])}
    assert set(told) == {lost.path, series.path}
    assert told[series.path].endswith(
        f"`countersign factors revalidate --from {series.session} --to {days[-1]}` makes it again"
    )
    with pytest.raises(StoreError, match=r"1 factors could not be measured: again: .*factor_values"):
        factor_revalidation(series.session, days[-1], home=home.path)
    assert home.lake.verify([series]) == []
    rows = orjson.loads(artifact("factor-revalidation"))
    assert [(row["factor"], row["error"] is None) for row in rows] == [
        ("again", False),
        ("first", True),
        ("second", True),
    ]
    (home.lake_path / "away").rename(home.lake_path / lost.path)
    assert [row["factor"] for row in factor_revalidation(days[0], days[-1], home=home.path)] == ["again", *NAMES]


def test_only_factors_measured_on_bars_of_the_range_are_measured_again(
    served_home: Path, home: Home, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    from countersign.flows.factors import factor_revalidation  # noqa: PLC0415 - imported where its server is known

    monkeypatch.setattr(revalidate, "FACTORS_PER_CHUNK", 1)  # each factor is a task run of its own
    days = sorted(market_of(home).bars["session"].unique())
    newest = factor_of(home, lab, "first").validated_through
    assert newest == days[-6]
    chunks = revalidate.find_affected(home, days[0], days[1])
    assert sorted(chunks) == sorted([factor] for factor in lab.factors.values())
    put(home, unforeseen(home))
    # The first values look at prices from the next session on, the last ones as far as six sessions ahead.
    sixth = home.sessions.next(days[-1])
    for since, until in ((days[0], days[0]), (home.sessions.next(sixth), home.sessions.next(sixth))):
        assert factor_revalidation(since, until, home=home.path) == []
    for since, until in ((days[0], days[1]), (sixth, sixth)):
        rows = factor_revalidation(since, until, home=home.path)
        assert [row["factor"] for row in rows] == list(NAMES)


def unforeseen(home: Home) -> pl.DataFrame:
    """The market's bars with closes that are random walks, of which no factor knows."""
    bars = market_of(home).bars.sort("session", "symbol")
    steps = pl.Series("step", np.random.default_rng(9).normal(0, 0.01, bars.height))
    walks = bars.with_columns(steps).with_columns(close=10 * pl.col("step").cum_sum().over("symbol").exp())
    return walks.drop("step")


def put(home: Home, bars: pl.DataFrame) -> None:
    with home.ledger.write() as db:
        home.lake.commit(db, stage_sessions(home.lake, BARS, bars), home.clock.now())


def open_rejected(home: Home, values: str) -> str:
    """A third factor of another user's, rejected on the bars of the moment."""
    before_last = later_days(home)[0]
    with home.ledger.write() as db:
        owner = ensure_user(db, "bob", home.clock.now())
        factor = open_factor(db, owner, FactorTerms(name="again", universe=FactorUniverse.HS300), home.clock.now())
    upload(home, owner.id, factor.id, values, date.min, before_last)
    done = validate(home.lake, home.sessions, Closes(home.lake), owner.id, factor.id, home.clock.now())
    assert done.status == "rejected"
    return factor.id


def open_notices(home: Home) -> list[tuple[str, int | None]]:
    """Open notifications of factors that were measured again."""
    with home.ledger.read() as db:
        rows = db.exec(select(Notification)).all()
    kinds = {"factor fails", "factor_revalidated"}
    matters = [(row.kind, row.user_id) for row in rows if row.resolved_at is None and row.kind in kinds]
    return sorted(matters, key=lambda each: (each[0], each[1] or 0))
