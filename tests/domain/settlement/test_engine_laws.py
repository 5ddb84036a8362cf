"""Laws that hold for any settlement, on random markets: money is conserved, no rule is broken, order is nothing."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.domain.settlement.engine import Settled, settle
from countersign.domain.settlement.marks import next_marks
from countersign.models.datasets import MONEY
from tests.support import frames
from tests.support.slow_settlement import Market, is_beijing, is_star, is_tradable, limits
from tests.support.worlds import Day, world

WORLDS = st.builds(world, seed=st.integers(0, 2**32), sessions=st.integers(1, 4), strategies=st.integers(1, 6))
few = settings(max_examples=20)


@dataclass(frozen=True)
class Step:
    """A settled day with its inputs."""

    day: Day
    books: pl.DataFrame
    holdings: pl.DataFrame
    marks: pl.DataFrame

    def settle(self) -> Settled:
        return settle(
            self.day.session,
            terms=self.day.terms,
            books=self.books,
            holdings=self.holdings,
            signals=self.day.signals,
            bars=self.day.bars,
            marks=self.marks,
            actions=self.day.actions,
            benchmarks=self.day.benchmarks,
            listings=self.day.listings,
        )


def steps(days: list[Day]) -> Iterator[tuple[Step, Settled]]:
    books, holdings, marks = frames.no_books(), frames.no_holdings(), frames.no_marks()
    for day in days:
        step = Step(day, books, holdings, marks)
        settled = step.settle()
        yield step, settled
        books, holdings, marks = settled.nav, settled.positions, next_marks(day.session, marks, day.bars, day.actions)


def same(one: Settled, other: Settled) -> None:
    for mine, theirs in zip(one, other, strict=True):
        assert mine.equals(theirs)


def fen(frame: pl.DataFrame, column: str, **where: Any) -> int:
    return int(frame.filter(**where)[column].sum() * 100)


@few
@given(WORLDS)
def test_money_is_conserved_to_the_fen(days: list[Day]) -> None:
    for step, settled in steps(days):
        records = {symbol: cash for symbol, cash, _ in step.day.actions.rows()}
        for row in settled.nav.iter_rows(named=True):
            mine = {"strategy": row["strategy"]}
            assert row["cash"] >= 0
            assert int(row["nav"] * 100) == int(row["cash"] * 100) + fen(settled.positions, "market_value", **mine)
            capital = step.day.terms.filter(**mine)["initial_capital"].item() * 100
            before = fen(step.books, "cash", **mine) if step.books.filter(**mine).height else capital
            held = step.holdings.filter(**mine).select("symbol", "quantity").rows()
            dividends = sum(int(100 * quantity * records.get(symbol, 0.0) + 0.5 + 1e-6) for symbol, quantity in held)
            orders = settled.orders.filter(**mine)
            costs = fen(orders, "commission") + fen(orders, "stamp_duty")
            traded = fen(orders, "notional", side="sell") - fen(orders, "notional", side="buy")
            assert int(row["cash"] * 100) == before + dividends + traded - costs


@few
@given(WORLDS)
def test_no_fill_breaks_a_rule(days: list[Day]) -> None:
    for step, settled in steps(days):
        bars = {bar["symbol"]: bar for bar in step.day.bars.to_dicts()}
        market = Market(
            step.day.session,
            *(frame.to_dicts() for frame in (step.day.bars, step.marks, step.day.actions, step.day.listings)),
        )
        left = {row[:2] for row in settled.positions.select("strategy", "symbol").rows()}
        for order in settled.orders.iter_rows(named=True):
            symbol = order["symbol"]
            assert 0 <= order["filled"] <= order["wanted"]
            assert (order["filled"] == order["wanted"] > 0) == (order["reason"] is None)
            if not order["filled"]:
                assert order["price"] is None
                assert order["notional"] == order["commission"] == order["stamp_duty"] == 0
                continue
            assert is_tradable(bars.get(symbol))
            up, down = limits(market, symbol)
            # Bars of these worlds may lie outside their limits; the better side of a fill does too, then.
            if order["side"] == "buy":
                assert up is None or order["price"] <= up
            else:
                assert down is None or order["price"] >= down
            if order["side"] == "buy" or (order["strategy"], symbol) in left:
                assert order["filled"] % (1 if is_star(symbol) or is_beijing(symbol) else 100) == 0
                assert order["filled"] >= (200 if is_star(symbol) else 100) or order["reason"] == "CASH_SHORT"


@few
@given(WORLDS, st.randoms(use_true_random=False))
def test_row_order_and_repetition_change_nothing(days: list[Day], rng: Any) -> None:
    def shuffled(frame: pl.DataFrame) -> pl.DataFrame:
        return frame[rng.sample(range(frame.height), frame.height)]

    for step, settled in steps(days):
        same(step.settle(), settled)
        day = {
            name: shuffled(getattr(step.day, name))
            for name in ("terms", "signals", "bars", "actions", "listings", "benchmarks")
        }
        state = {name: shuffled(getattr(step, name)) for name in ("books", "holdings", "marks")}
        same(replace(step, day=replace(step.day, **day), **state).settle(), settled)


@few
@given(WORLDS, st.integers(2, 4))
def test_chunks_on_threads_give_the_same_rows(days: list[Day], size: int) -> None:
    for step, settled in steps(days):

        def chunk(terms: pl.DataFrame, step: Step = step) -> Settled:
            signals = step.day.signals.filter(pl.col("strategy").is_in(terms["strategy"].implode()))
            return replace(step, day=replace(step.day, terms=terms, signals=signals)).settle()

        with ThreadPoolExecutor(2) as threads:
            parts = list(threads.map(chunk, step.day.terms.iter_slices(size)))
        same(Settled(*(pl.concat(frames) for frames in zip(*parts, strict=True))), settled)


@few
@given(WORLDS)
def test_outputs_hold_neither_nan_nor_disorder(days: list[Day]) -> None:
    for _, settled in steps(days):
        for frame, key in zip(settled, (["strategy", "symbol"], ["strategy", "symbol"], ["strategy"]), strict=True):
            assert frame.equals(frame.sort(key))
            assert not frame.select(key).is_duplicated().any()
            assert not frame.select(pl.any_horizontal(pl.selectors.float().is_nan().any())).item()
        assert (settled.positions["quantity"] > 0).all()


@given(
    lots=st.integers(1, 10_000),
    price=st.integers(100, 100_000),
    ratio=st.floats(0.2, 0.9) | st.floats(1.0, 4.0),
    recorded=st.booleans(),
    traded=st.booleans(),
)
@settings(max_examples=40)
def test_nav_is_continuous_across_an_ex_date(lots: int, price: int, ratio: float, recorded: bool, traded: bool) -> None:
    """Ratio shares for one, by record or by factor; under 1 shares are consolidated.

    The NAV moves by less than a share and some rounding.
    """
    (step, _), *_ = steps(world(1, 1, 1))
    session, before = step.day.session, price / 100
    book = frames.terms({"strategy": "s"}).select(
        "strategy",
        session=pl.lit(session).dt.offset_by("-1d"),
        nav=pl.lit(lots * price).cast(MONEY),
        cash=pl.lit(0).cast(MONEY),
        daily_return=pl.lit(0.0),
        cumulative_return=pl.lit(0.0),
        benchmark_return=pl.lit(0.0),
        event=pl.lit("HOLD"),
        detail=pl.lit("no signal"),
        since_rebalance=pl.lit(1, pl.Int32),
    )
    held = book.select(
        "strategy",
        "session",
        symbol=pl.lit("600000.SH"),
        quantity=pl.lit(float(lots * 100)),
        close=pl.lit(before),
        market_value=pl.lit(lots * price).cast(MONEY),
        adj_factor=pl.lit(2.0),
    )
    after = before / ratio
    bar = {"symbol": "600000.SH", "open": after, "close": after, "adj_factor": 2.0 * ratio}
    if not recorded and not traded:
        bar["suspended"] = True
    records = [("600000.SH", 0.0, ratio - 1)] if recorded else []
    day = replace(
        step.day,
        terms=frames.terms({"strategy": "s"}),
        signals=frames.signals({}),
        bars=frames.bars(session, [bar] if traded or not recorded else []),
        actions=frames.actions(records),
    )
    mark = ("600000.SH", book["session"].item(), book["session"].item(), before, 2.0)
    marks = pl.DataFrame([mark], schema=frames.no_marks().schema, orient="row")
    nav = float(Step(day, book, held, marks).settle().nav["nav"].item())
    assert nav == pytest.approx(lots * price, abs=(after if recorded else 0.0) + 0.011)
