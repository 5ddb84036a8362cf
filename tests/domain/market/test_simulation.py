"""The sample market: repeatable, obedient to the rule book, and rich enough for every rule of settlement to fire."""

from datetime import date, timedelta
from random import Random

import polars as pl
import pytest

from countersign.domain.market.bars import normalise_actions, normalise_bars, normalise_index_levels, normalise_universe
from countersign.domain.market.instruments import board_expr
from countersign.domain.market.listings import normalise_instruments
from countersign.domain.market.quality import inspect
from countersign.domain.market.quality_rules import Context
from countersign.domain.market.simulation import SampleMarket, simulate
from countersign.domain.settlement.engine import settle
from countersign.domain.settlement.marks import next_marks
from countersign.models.datasets import MARKS
from countersign.models.enums import Refusal, Universe
from countersign.models.errors import InputError
from tests.support import frames


def weekdays(count: int, start: date = date(2025, 1, 1)) -> list[date]:
    days = (start + timedelta(n) for n in range(2 * count + 7))
    return [day for day in days if day.weekday() < 5][:count]


SESSIONS = weekdays(300)


@pytest.fixture(scope="module")
def sample() -> SampleMarket:
    """A market of 200 symbols."""
    return simulate(200, SESSIONS, seed=1)


def test_the_same_seed_gives_the_same_market_and_another_another() -> None:
    one, two, other = (simulate(20, SESSIONS[:40], seed) for seed in (3, 3, 4))
    for name in ("bars", "index_levels", "universes", "actions", "instruments"):
        assert getattr(one, name).equals(getattr(two, name))
    assert not one.bars.equals(other.bars)


def test_it_imports_as_it_is(sample: SampleMarket) -> None:
    days = set(SESSIONS)
    assert normalise_bars(sample.bars, days).equals(sample.bars)
    assert normalise_index_levels(sample.index_levels, days).equals(sample.index_levels)
    assert normalise_universe(sample.universes).equals(sample.universes)
    assert normalise_actions(sample.actions, days).equals(sample.actions)
    columns = ("symbol", "name", "kind", "board", "listed", "delisted")
    value = pl.col("delisting_cash").cast(pl.String).alias("delisting_value")
    assert normalise_instruments(sample.instruments.select(*columns, value)).equals(sample.instruments)


def test_instruments_tell_who_lists_and_who_leaves(sample: SampleMarket) -> None:
    spans = sample.bars.group_by("symbol").agg(first=pl.col("session").min(), last=pl.col("session").max())
    both = sample.instruments.join(spans, on="symbol", validate="1:1")
    assert both.height == 200
    assert both.filter(pl.col("listed") != pl.col("first")).is_empty()  # nobody is silent on the day of listing
    assert both.filter(pl.col("listed").is_not_null()).height >= 10
    leavers = both.filter(pl.col("delisted").is_not_null())
    assert leavers.filter(pl.col("delisted") <= pl.col("last")).is_empty()
    assert leavers.height >= 1
    assert leavers["delisting_cash"].count() == (leavers.height + 1) // 2
    assert both.filter(pl.col("delisted").is_null())["delisting_cash"].count() == 0


@pytest.mark.parametrize(("symbols", "count"), [(10, 1), (10, 60), (20, 250), (200, 300)])
def test_the_gate_holds_none_of_its_sessions(symbols: int, count: int) -> None:
    market = simulate(symbols, SESSIONS[:count], seed=1)
    marks = pl.DataFrame(schema=MARKS.schema)
    rows: list[int] = []
    for session in SESSIONS[:count]:
        bars = market.bars.filter(pl.col("session") == session)
        present = market.index_levels.filter(pl.col("session") == session)["index"].to_list()
        context = Context(recent_rows=rows, present=present, needed=list(Universe), marks=marks)
        found = inspect(session, bars, context)
        assert {finding.rule for finding in found} <= {"falling factor"}
        rows.append(bars.height)
        marks = next_marks(session, marks, bars)


def test_every_board_and_event_occurs(sample: SampleMarket) -> None:
    bars = sample.bars
    assert set(bars.select(board_expr(pl.col("symbol"))).to_series()) == {"main", "chinext", "star", "beijing", "fund"}
    assert bars["is_st"].any()
    assert bars["suspended"].any()
    assert (bars["open"] >= bars["limit_up"]).any()
    assert (bars["open"] <= bars["limit_down"]).any()
    assert (bars["close"] >= bars["limit_up"]).any()
    assert bars["limit_up"].is_null().any()
    assert (bars["close"] > 1000).any()
    spans = bars.group_by("symbol").agg(pl.col("session").min().alias("since"), pl.col("session").max().alias("until"))
    assert (spans["since"] > SESSIONS[0]).any()  # a listing
    assert (spans["until"] < SESSIONS[-1]).any()  # a delisting
    place = bars.select("symbol", place=pl.col("session").rank("dense").cast(pl.Int64))
    assert (place.select(pl.col("place").diff().over("symbol")).to_series() > 1).any()  # a suspension without bars
    factors = bars.select(pl.col("adj_factor").diff().over("symbol")).to_series()
    assert (factors > 0).any()
    assert (factors < 0).any()  # a mistaken factor


def test_payments_show_in_the_actions_of_some_and_only_in_the_factor_of_others(sample: SampleMarket) -> None:
    assert sample.actions.filter(pl.col("bonus") > 0).height > 0
    assert sample.actions.filter(pl.col("bonus") == 0).height > 0
    jumps = sample.bars.with_columns(
        growth=(pl.col("adj_factor") / pl.col("adj_factor").shift(1)).over("symbol"),
        previous=pl.col("close").shift(1).over("symbol"),
    ).filter(pl.col("growth") > 1.003)
    recorded = jumps.join(sample.actions, on=["symbol", "session"])
    assert 0 < recorded.height < jumps.height
    # previous close / ((previous close − cash) / (1 + bonus)) is the growth of the factor
    wanted = recorded["previous"] * (1 + recorded["bonus"]) / (recorded["previous"] - recorded["cash"])
    assert ((recorded["growth"] / wanted - 1).abs() < 1e-4).sum() >= recorded.height - 2  # but next to a mistake


def test_prices_are_in_order_and_on_the_tick(sample: SampleMarket) -> None:
    bars = sample.bars.with_columns(digits=pl.when(board_expr(pl.col("symbol")) == "fund").then(3).otherwise(2))
    for name in ("open", "high", "low", "close"):
        scaled = bars.select(pl.col(name) * pl.lit(10.0).pow("digits")).to_series()
        assert ((scaled - scaled.round(0)).abs() < 1e-6 * scaled).all()
    assert (bars["high"] >= bars["open"]).all()
    assert (bars["low"] <= bars["close"]).all()
    assert (bars["low"] > 0).all()


def test_returns_are_correlated_with_the_index(sample: SampleMarket) -> None:
    closes = sample.bars.with_columns(adjusted=pl.col("close") * pl.col("adj_factor")).select(
        "session", "symbol", change=(pl.col("adjusted") / pl.col("adjusted").shift(1) - 1).over("symbol")
    )
    level = sample.index_levels.filter(pl.col("index") == "csi500").select(
        "session", move=pl.col("close") / pl.col("close").shift(1) - 1
    )
    correlation = closes.join(level, on="session").drop_nulls().group_by("symbol").agg(pl.corr("change", "move"))
    assert correlation["change"].median() > 0.3


def test_every_universe_has_members_and_levels(sample: SampleMarket) -> None:
    for market, sessions in ((sample, SESSIONS), (simulate(10, SESSIONS[:3], seed=0), SESSIONS[:3])):
        assert set(market.universes["universe"]) == set(Universe)
        assert market.index_levels.height == len(Universe) * len(sessions)
    assert sample.universes["until"].null_count() < sample.universes.height  # memberships change


@pytest.mark.parametrize(
    ("symbols", "sessions", "field"),
    [
        (9, SESSIONS, "symbols"),
        (10_001, SESSIONS, "symbols"),
        (10_000, weekdays(501), "sessions"),
        (10, [], "sessions"),
        (10, SESSIONS[::-1], "sessions"),
        (10, SESSIONS[:1] * 2, "sessions"),
    ],
)
def test_numbers_that_make_no_market_are_refused(symbols: int, sessions: list[date], field: str) -> None:
    with pytest.raises(InputError) as caught:
        simulate(symbols, sessions, seed=0)
    assert caught.value.field == field


def test_every_refusal_of_settlement_occurs() -> None:
    """Two strategies that change into thirty random symbols at every open and close meet all of them."""
    sessions = SESSIONS[:80]
    market = simulate(60, sessions, seed=1)
    names = market.bars["symbol"].unique().sort()
    rng = Random(1)
    strategies = frames.terms(
        {"strategy": "open", "initial_capital": 1_000_000}, {"strategy": "close", "execution_price": "close"}
    )
    books, holdings, marks = frames.no_books(), frames.no_holdings(), frames.no_marks()
    reasons: set[str | None] = set()
    for session in sessions:
        bars = market.bars.filter(pl.col("session") == session)
        actions = market.actions.filter(pl.col("session") == session).drop("session")
        wanted = {name: dict.fromkeys(rng.sample(names.to_list(), 30), 1 / 30) for name in ("open", "close")}
        settled = settle(
            session,
            terms=strategies,
            books=books,
            holdings=holdings,
            signals=frames.signals(wanted),
            bars=bars,
            marks=marks,
            actions=actions,
            benchmarks=frames.benchmarks({"hs300": 0.0}),
        )
        reasons |= set(settled.orders["reason"])
        books, holdings, marks = settled.nav, settled.positions, next_marks(session, marks, bars)
    assert reasons == {None, *Refusal}
