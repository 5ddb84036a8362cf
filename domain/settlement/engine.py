"""Settlement: one session's signals, traded at its prices under the exchange's rules, and marked at its close.

Pure: frames in, frames out; the same inputs give the same bytes, in any order of their rows and any split of the
strategies into chunks. The caller picks the revision of each signal, asks the quality gate and keeps the results.
The arithmetic is in `domain.settlement.kernel`, the exchange's side in `domain.market.quotes`.

Where the rules leave room, these decide:

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
- A factor that falls consolidates units where the open bears it out (domain.market.quotes); else it is the vendor's
mistake. - A holding whose delisting is due is exchanged before anything else (domain.settlement.delistings). Its order
is counted in the detail, and its symbol is not traded in the session. - A null adjustment factor is the symbol's last
known one; before any is known, none is applied. - A strategy that was paused before its first rebalance keeps
`since_rebalance` null, and its next signal executes.
"""

from datetime import date
from typing import NamedTuple

import polars as pl

from countersign.domain.arrays import Accounts, Holdings, Orders, Results
from countersign.domain.market.quotes import LISTINGS_SCHEMA, check_market, quotes
from countersign.domain.market.rules import Book
from countersign.domain.settlement.books import arrays_of, check_benchmarks, check_strategies, codes, fen_of, money
from countersign.domain.settlement.delistings import Exchanged, exchange
from countersign.domain.settlement.kernel import BOUGHT, CUT, REFUSED, SOLD, settle_arrays
from countersign.models.enums import Event, Refusal, Side

SIDES = pl.lit(pl.Series([None, *sorted(Side)], dtype=pl.String))
REASONS = pl.lit(pl.Series([None, *sorted(Refusal)], dtype=pl.String))


class Settled(NamedTuple):
    """Results of a session: frames in the schemas and the order of the datasets orders, positions and nav."""

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
    listings: pl.DataFrame | None = None,
    delistings: pl.DataFrame | None = None,
    book: Book = Book.CURRENT,
) -> Settled:
    """Settle `session` for the strategies of `terms`; InputError if a frame is not as described.

    terms: one row a strategy: strategy, universe, execution_price, holding_period (Int32), initial_capital (Int64,
    CNY), commission_rate, slippage_rate (fractions), paused. books and holdings: the nav and positions of the session
    before; rows of other strategies are ignored. A strategy without a row in books is new, and appears in the results
    with its first signal. signals: strategy, symbol, weight, of strategies in terms only. bars: this session's. marks:
    those of the session before. actions: symbol, cash, bonus, of this session. benchmarks: universe, benchmark_return.
    listings: symbol, listed, age of symbols in their first sessions (default: none is). delistings: symbol, cash,
    successor, ratio of the exchanges that are due (default: none). book: the edition of the rules.
    """
    listings = pl.DataFrame(schema=LISTINGS_SCHEMA) if listings is None else listings
    check_market(session, bars, marks, actions, listings)
    check_strategies(session, terms=terms, books=books, holdings=holdings, signals=signals)
    check_benchmarks(benchmarks)
    begun = pl.concat([books["strategy"], signals["strategy"]]).implode()
    terms = terms.filter(pl.col("strategy").is_in(begun)).sort("strategy")
    ours = pl.col("strategy").is_in(terms["strategy"].implode())
    books, holdings = books.filter(ours), holdings.filter(ours)
    exchanged = None
    if delistings is not None and delistings.height:
        exchanged = exchange(
            books=books, holdings=holdings, signals=signals, bars=bars, marks=marks, delistings=delistings
        )
        books, holdings, signals = exchanged.books, exchanged.holdings, exchanged.signals
    symbols = pl.concat([frame["symbol"] for frame in (bars, holdings, signals)]).unique().sort()
    accounts, held, wished = arrays_of(terms, books, holdings, signals, symbols)
    offered = quotes(session, symbols, bars, marks, actions, listings, book)
    orders, positions, results = settle_arrays(offered, accounts, held, wished)
    names = {"strategy": pl.lit(terms["strategy"]), "symbol": pl.lit(symbols)}
    settled = Settled(
        _orders(session, names, orders),
        _positions(session, names, positions),
        _nav(session, terms=terms, books=books, benchmarks=benchmarks, accounts=accounts, results=results),
    )
    return _with_exchanges(session, settled, exchanged) if exchanged else settled


def _with_exchanges(session: date, settled: Settled, exchanged: Exchanged) -> Settled:
    """Put the orders of exchanges among the others, and the texts on them into the detail."""
    dated = exchanged.orders.with_columns(session=pl.lit(session)).select(settled.orders.columns)
    nav = settled.nav.join(exchanged.told, on="strategy", how="left", maintain_order="left").with_columns(
        detail=pl.col("detail") + pl.col("told").fill_null("")
    )
    orders = pl.concat([settled.orders, dated]).sort("strategy", "symbol")
    return Settled(orders, settled.positions, nav.drop("told"))


def _orders(session: date, names: dict[str, pl.Expr], orders: Orders) -> pl.DataFrame:
    return pl.DataFrame(orders._asdict()).select(
        names["strategy"].gather("strategy").alias("strategy"),
        pl.lit(session).alias("session"),
        names["symbol"].gather("symbol").alias("symbol"),
        SIDES.gather("side").alias("side"),
        "wanted",
        "filled",
        pl.col("price").fill_nan(None),
        money(pl.col("notional")),
        money(pl.col("commission")),
        money(pl.col("duty")).alias("stamp_duty"),
        REASONS.gather("reason").alias("reason"),
    )


def _positions(session: date, names: dict[str, pl.Expr], positions: Holdings) -> pl.DataFrame:
    return pl.DataFrame(positions._asdict()).select(
        names["strategy"].gather("strategy").alias("strategy"),
        pl.lit(session).alias("session"),
        names["symbol"].gather("symbol").alias("symbol"),
        "quantity",
        "close",
        money(pl.col("value")).alias("market_value"),
        pl.col("factor").fill_nan(None).alias("adj_factor"),
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
    capital = terms["initial_capital"].to_numpy() * 100
    before = capital.copy()
    before[codes(books["strategy"], terms["strategy"])] = fen_of(books["nav"])
    returns = dict(benchmarks.select("universe", "benchmark_return").iter_rows())
    columns = {
        "strategy": terms["strategy"],
        "fen": results.nav,
        "cash": results.cash,
        "before": before,
        "capital": capital,
        "benchmark_return": pl.Series([returns.get(universe) for universe in terms["universe"]], dtype=pl.Float64),
        "rebalanced": results.rebalanced,
        "detail": pl.Series(_details(accounts, results), dtype=pl.String),
        "since": results.since,
    }
    return pl.DataFrame(columns).select(
        "strategy",
        pl.lit(session).alias("session"),
        money(pl.col("fen")).alias("nav"),
        money(pl.col("cash")),
        pl.when(pl.col("before") > 0).then(pl.col("fen") / pl.col("before") - 1.0).alias("daily_return"),
        (pl.col("fen") / pl.col("capital") - 1.0).alias("cumulative_return"),
        pl.col("benchmark_return").fill_nan(None),
        pl.when("rebalanced").then(pl.lit(Event.REBALANCE)).otherwise(pl.lit(Event.HOLD)).alias("event"),
        "detail",
        pl.when(pl.col("since") >= 0).then("since").alias("since_rebalance"),
    )


def _details(accounts: Accounts, results: Results) -> list[str]:
    """Texts of the audit log: the orders of a rebalance, or the reason for none."""
    columns = (accounts.paused, accounts.signalled, results.since, accounts.holding_period)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        _traded(tally)
        if rebalanced
        else "paused"
        if paused
        else f"within holding period ({since}/{period})"
        if signalled
        else "no signal"
        for rebalanced, tally, (paused, signalled, since, period) in zip(
            results.rebalanced.tolist(), results.tally.tolist(), rows, strict=True
        )
    ]


def _traded(tally: list[int]) -> str:
    text = f"bought {tally[BOUGHT]}, sold {tally[SOLD]}"
    if tally[CUT]:
        text += f", cut {tally[CUT]} (CASH_SHORT)"
    refusals = tally[REFUSED + 1 :]
    if any(refusals):
        kinds = (f"{reason} {count}" for reason, count in zip(sorted(Refusal), refusals, strict=True) if count)
        text += f", refused {sum(refusals)} ({', '.join(kinds)})"
    return text
