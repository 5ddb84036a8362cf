"""The law of the entrance: any bars that import takes and the gate lets pass can be settled."""

from datetime import date
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.domain.market.bars import normalise_bars
from countersign.domain.market.quality import inspect, verdict
from countersign.domain.market.quality_rules import Context
from countersign.domain.settlement.engine import settle
from countersign.domain.settlement.marks import next_marks
from countersign.models.errors import InputError
from tests.support import frames

DAYS = [date(2025, 3, day) for day in (3, 4, 5, 6)]
SYMBOLS = ("600000.SH", "300750.SZ", "688001.SH", "920001.BJ", "510300.SH", "159915.SZ")

PRICES = st.none() | st.sampled_from([0.0, 0.01, 9.99, 10.0, 11.0, 10.005, 99_999.99, 9e6])
LIMITS = st.none() | st.sampled_from([0.0, 0.01, 9.0, 11.0, 99_999.999, 1e7])
FACTORS = st.none() | st.sampled_from([1e-9, 0.5, 1.0, 1.0000001, 2.0, 1e9])
ROW = st.fixed_dictionaries(
    {
        **dict.fromkeys(("open", "high", "low", "close"), PRICES),
        "volume": st.sampled_from([0.0, 1.0, 1e6, 1e13]),
        "amount": st.none() | st.sampled_from([0.0, 1e7, 1e16]),
        "adj_factor": FACTORS,
        "suspended": st.none() | st.booleans(),
        "limit_up": LIMITS,
        "limit_down": LIMITS,
        "is_st": st.none() | st.booleans(),
    }
)
FLAT = st.sampled_from([0.01, 9.99, 10.0, 11.0, 12.34]).map(
    lambda price: {
        **dict.fromkeys(("open", "high", "low", "close"), price),
        "volume": 1e6,
        "adj_factor": 1.0,
        "limit_up": 0.0,
        "limit_down": 0.0,
    }
)
DAY = st.dictionaries(st.sampled_from(SYMBOLS), FLAT | FLAT | FLAT | ROW, min_size=1)


def imported(session: date, rows: dict[str, dict[str, Any]]) -> pl.DataFrame | None:
    """The bars of a session as import takes them, None where it refuses them."""
    given = [{"symbol": symbol, "session": session, **row} for symbol, row in rows.items()]
    try:
        return normalise_bars(pl.DataFrame(given, infer_schema_length=None), DAYS)
    except InputError:
        return None


@settings(max_examples=120)
@given(st.lists(DAY, min_size=2, max_size=4), st.sampled_from([100_000, 100_000_000]))
def test_bars_that_import_and_gate_let_pass_are_settled(days: list[dict[str, dict[str, Any]]], capital: int) -> None:
    terms = frames.terms(
        *({"strategy": at, "execution_price": at, "initial_capital": capital} for at in ("open", "close"))
    )
    wish = {symbol: 1 / len(SYMBOLS) for symbol in SYMBOLS}
    books, held, marks = frames.no_books(), frames.no_holdings(), frames.no_marks()
    for session, rows in zip(DAYS, days, strict=False):
        bars = imported(session, rows)
        if bars is None or verdict(inspect(session, bars, Context(marks=marks))) == "hold":
            continue
        settled = settle(
            session,
            terms=terms,
            books=books,
            holdings=held,
            signals=frames.signals({"open": wish, "close": wish}),
            bars=bars,
            marks=marks,
            actions=frames.actions(),
            benchmarks=frames.benchmarks(),
        )
        assert settled.nav["nav"].null_count() == 0
        assert (settled.nav["cash"] >= 0).all()
        books, held, marks = settled.nav, settled.positions, next_marks(session, marks, bars)
