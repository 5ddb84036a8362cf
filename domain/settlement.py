"""Settlement: one session's signals, traded at its prices under the exchange's rules, and marked at its close.

Pure: frames in, frames out; the same inputs give the same bytes, whatever the order of their rows and however the
strategies are split into chunks. Which revision of a signal counts, what the quality gate says and where results are
kept is the caller's business. The arithmetic is in `domain.kernel`, the exchange's side in `domain.quotes`.

Where the rules leave room, this is what happens:

- A signal is one row or more; a weight of 0 is a symbol not held, so all cash is a signal whose weights are 0.
- A signalled symbol that is not tradable has no price and so no target. If it is held it is kept, without an order; if
  not, a buy is refused (NO_MARKET_DATA before the symbol's first bar, SUSPENDED after it) with 0 wanted. A held symbol
  that is not in the signal and not tradable is a sell refused with all of it wanted.
- BELOW_LOT wants the weight's worth before rounding, and comes before LIMIT_UP; every other order wants lots. A change
  of less than a lot of a symbol that is held is no order.
- A refused order has filled 0 and no price; CASH_SHORT with filled above 0 is a buy that was cut.
- A position keeps the highest adjustment factor seen since it was opened (the opening session's at first). Once a
  corporate action record is applied, the factor of the session's bar counts as seen; without a tradable bar that has
  one, the factor is forgotten and the next one seen is adopted, so that no event is applied twice. Without a tradable
  bar the last close becomes (close − cash) / (1 + bonus), too.
- A null adjustment factor is the symbol's last known one; before any is known, none is applied.
- A strategy that was paused before its first rebalance keeps `since_rebalance` null, and its next signal executes.
"""

from datetime import date
from typing import NamedTuple

import polars as pl

from domain.arrays import Accounts, Holdings, Orders, Results
from domain.books import arrays_of, check_benchmarks, check_strategies, fen_of, money_of, names_of
from domain.kernel import BOUGHT, CUT, REFUSED, SOLD, settle_arrays
from domain.quotes import check_market, quotes
from models.datasets import NAV, ORDERS, POSITIONS
from models.enums import Event, Refusal, Side

SIDES = pl.Series([None, *sorted(Side)], dtype=pl.String)
REASONS = pl.Series([None, *sorted(Refusal)], dtype=pl.String)


class Settled(NamedTuple):
    """What a session comes to: frames in the schemas and the order of the datasets orders, positions and nav."""

    orders: pl.DataFrame
    positions: pl.DataFrame
    nav: pl.DataFrame


def settle(
    session: date,
    *,
    terms: pl.DataFrame,
    books: pl.DataFrame,
    holdings: pl.DataFrame,
    signals: pl.DataFrame,
    bars: pl.DataFrame,
    marks: pl.DataFrame,
    actions: pl.DataFrame,
    benchmarks: pl.DataFrame,
) -> Settled:
    """Settle `session` for the strategies of `terms`; InputError if a frame is not as described.

    terms: one row a strategy: strategy, universe, execution_price, holding_period (Int32), initial_capital (Int64,
    CNY), commission_rate, slippage_rate (fractions), paused. books and holdings: the nav and positions of the session
    before; rows of other strategies are ignored. A strategy without a row in books is new, and appears in the results
    with its first signal. signals: strategy, symbol, weight, of strategies in terms only. bars: this session's. marks:
    those of the session before. actions: symbol, cash, bonus, of this session. benchmarks: universe, benchmark_return.
    """
    check_market(session, bars, marks, actions)
    check_strategies(session, terms=terms, books=books, holdings=holdings, signals=signals)
    check_benchmarks(benchmarks)
    begun = pl.concat([books["strategy"], signals["strategy"].unique()]).implode()
    terms = terms.filter(pl.col("strategy").is_in(begun)).sort("strategy")
    ours = pl.col("strategy").is_in(terms["strategy"].implode())
    books, holdings = books.filter(ours), holdings.filter(ours)
    symbols = pl.concat([frame["symbol"].unique() for frame in (bars, holdings, signals)]).unique().sort()
    accounts, held, wished = arrays_of(terms, books, holdings, signals, symbols)
    orders, positions, results = settle_arrays(quotes(session, symbols, bars, marks, actions), accounts, held, wished)
    strategies = terms["strategy"]
    return Settled(
        _orders(session, strategies, symbols, orders),
        _positions(session, strategies, symbols, positions),
        _nav(session, terms=terms, books=books, benchmarks=benchmarks, accounts=accounts, results=results),
    )


def _orders(session: date, strategies: pl.Series, symbols: pl.Series, orders: Orders) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "strategy": names_of(orders.strategy, strategies),
            "session": pl.repeat(session, orders.strategy.size, dtype=pl.Date, eager=True),
            "symbol": names_of(orders.symbol, symbols),
            "side": names_of(orders.side, SIDES),
            "wanted": orders.wanted,
            "filled": orders.filled,
            "price": pl.Series(orders.price).fill_nan(None),
            "notional": money_of(orders.notional),
            "commission": money_of(orders.commission),
            "stamp_duty": money_of(orders.duty),
            "reason": names_of(orders.reason, REASONS),
        },
        schema=ORDERS.schema,
    )


def _positions(session: date, strategies: pl.Series, symbols: pl.Series, positions: Holdings) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "strategy": names_of(positions.strategy, strategies),
            "session": pl.repeat(session, positions.strategy.size, dtype=pl.Date, eager=True),
            "symbol": names_of(positions.symbol, symbols),
            "quantity": positions.quantity,
            "close": positions.close,
            "market_value": money_of(positions.value),
            "adj_factor": pl.Series(positions.factor).fill_nan(None),
        },
        schema=POSITIONS.schema,
    )


def _nav(
    session: date,
    *,
    terms: pl.DataFrame,
    books: pl.DataFrame,
    benchmarks: pl.DataFrame,
    accounts: Accounts,
    results: Results,
) -> pl.DataFrame:
    """NAV rows; the first daily return is on the initial capital, and a return on nothing is null."""
    capital = terms["initial_capital"] * 100
    before = books.select("strategy", before=pl.Series(fen_of(books["nav"])))
    frame = terms.select("strategy", "universe", capital=capital, fen=pl.Series(results.nav))
    frame = frame.join(before, on="strategy", how="left", maintain_order="left")
    frame = frame.join(benchmarks, on="universe", how="left", maintain_order="left")
    before_or_capital = pl.col("before").fill_null(pl.col("capital"))
    frame = frame.with_columns(
        session=pl.lit(session),
        nav=money_of(results.nav),
        cash=money_of(results.cash),
        daily_return=pl.when(before_or_capital > 0).then(pl.col("fen") / before_or_capital - 1.0),
        cumulative_return=pl.col("fen") / pl.col("capital") - 1.0,
        benchmark_return=pl.col("benchmark_return").fill_nan(None),
        event=pl.when(pl.Series(results.rebalanced)).then(pl.lit(Event.REBALANCE)).otherwise(pl.lit(Event.HOLD)),
        detail=_detail(accounts, results),
        since_rebalance=pl.when(pl.Series(results.since) >= 0).then(pl.Series(results.since)),
    )
    return frame.select(pl.col(name).cast(kind) for name, kind in NAV.schema.items())


def _detail(accounts: Accounts, results: Results) -> pl.Series:
    """The audit log's text: what a rebalance did, or why there was none."""
    tally = pl.DataFrame(results.tally, schema=[f"n{i}" for i in range(results.tally.shape[1])])
    facts = tally.with_columns(
        rebalanced=pl.Series(results.rebalanced),
        paused=pl.Series(accounts.paused),
        signalled=pl.Series(accounts.signalled),
        since=pl.Series(results.since),
        period=pl.Series(accounts.holding_period),
    )
    refusals = {name: pl.col(f"n{REFUSED + 1 + place}") for place, name in enumerate(sorted(Refusal))}
    kinds = [pl.when(count > 0).then(pl.format("{} {}", pl.lit(name), count)) for name, count in refusals.items()]
    refused = pl.sum_horizontal(refusals.values())
    summary = pl.concat_str(
        pl.format("bought {}, sold {}", f"n{BOUGHT}", f"n{SOLD}"),
        pl.when(pl.col(f"n{CUT}") > 0).then(pl.format("cut {} (CASH_SHORT)", f"n{CUT}")),
        pl.when(refused > 0).then(
            pl.format("refused {} ({})", refused, pl.concat_str(kinds, separator=", ", ignore_nulls=True))
        ),
        separator=", ",
        ignore_nulls=True,
    )
    detail = (
        pl.when("rebalanced")
        .then(summary)
        .when("paused")
        .then(pl.lit("paused"))
        .when("signalled")
        .then(pl.format("within holding period ({}/{})", "since", "period"))
        .otherwise(pl.lit("no signal"))
    )
    return facts.select(detail.alias("detail")).to_series()
