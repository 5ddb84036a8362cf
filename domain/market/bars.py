"""Market data as handed in: bars, index levels, universe members, corporate actions.

A fault of structure is refused here, before anything is stored: an unknown column, a repeated row, a number that no
market can print. A fault of meaning (a zero price on a tradable bar, disorder of high and low, too few rows) is let
in: the quality gate names it and holds the settlement (domain.market.quality).
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import date

import polars as pl

from countersign.domain.market.instruments import board_expr, refuse_others
from countersign.domain.market.ticks import to_ticks
from countersign.domain.tables import SYMBOL, Day, Flag, Number, Table, Text, normalise
from countersign.models.datasets import BARS
from countersign.models.enums import Universe
from countersign.models.errors import InputError

SYMBOL_TEXT = Text(SYMBOL, "a symbol as 600000.SH, 000001.SZ or 920001.BJ")
UNIVERSE_TEXT = Text(f"^({'|'.join(Universe)})$", f"one of {', '.join(Universe)}")

# Far above any market, far below where a position's value would leave DECIMAL(18,2).
PRICE = Number(0, 1e7, strict=True)
QUANTITY = Number(0, 1e13, nullable=False, strict=True)

FUND_BASE = 1000.0

BAR_TABLE = Table(
    "bars",
    {
        "symbol": SYMBOL_TEXT,
        "session": Day(),
        "open": PRICE,
        "high": PRICE,
        "low": PRICE,
        "close": PRICE,
        # A suspended bar has no trades: an empty volume says so.
        "volume": replace(QUANTITY, zero_where="suspended"),
        "amount": Number(0, 1e16),
        "adj_factor": Number(1e-9, 1e9),
        "suspended": Flag(),
        "limit_up": Number(0, 1e7),
        "limit_down": Number(0, 1e7),
        "is_st": Flag(),
    },
    key=("session", "symbol"),
    optional=frozenset({"amount", "adj_factor", "suspended", "limit_up", "limit_down", "is_st"}),
    aliases={"date": "session"},
)

INDEX_TABLE = Table(
    "index levels",
    {"index": UNIVERSE_TEXT, "session": Day(), "close": Number(1e-6, 1e9, nullable=False, strict=True)},
    key=("session", "index"),
    aliases={"date": "session"},
)

UNIVERSE_TABLE = Table(
    "universe",
    {"universe": UNIVERSE_TEXT, "symbol": SYMBOL_TEXT, "since": Day(), "until": Day(nullable=True)},
    key=("universe", "symbol", "since"),
    optional=frozenset({"until"}),
)

ACTION_TABLE = Table(
    "corporate actions",
    {
        "symbol": SYMBOL_TEXT,
        "session": Day(),
        "cash": Number(0, 1e6, nullable=False, strict=True),
        "bonus": Number(-1, 1e4, nullable=False, strict=True),
    },
    key=("symbol", "session"),
    aliases={"date": "session"},
)


def normalise_bars(frame: pl.DataFrame, sessions: Collection[date]) -> pl.DataFrame:
    """Bars with the columns and types of models.datasets.BARS, sorted by session and symbol.

    `sessions` are the exchange's trading sessions. Prices may be null or 0 (the gate judges them), never NaN or
    negative, and are whole ticks; limits of 0 are null; volume is always a number. Raises InputError as
    domain.tables.normalise does, for a non-session, and for prices that are no ticks.
    """
    bars = normalise(frame, BAR_TABLE)
    refuse_others(bars.get_column("symbol"), frame)
    _refuse_non_sessions(bars, frame, sessions)
    return to_ticks(bars)


def normalise_index_levels(frame: pl.DataFrame, sessions: Collection[date]) -> pl.DataFrame:
    """Index levels (`index, session, close`, close > 0), sorted by session and index."""
    levels = normalise(frame, INDEX_TABLE)
    _refuse_non_sessions(levels, frame, sessions)
    return levels


def normalise_universe(frame: pl.DataFrame) -> pl.DataFrame:
    """Members (`universe, symbol, since, until`), both days inclusive, null `until` for a member of today.

    Raises InputError for an `until` before its `since` and for spans of one member that overlap.
    """
    members = normalise(frame, UNIVERSE_TABLE)
    refuse_others(members.get_column("symbol"), frame)
    ended = members.filter(pl.col("until") < pl.col("since"))
    if not ended.is_empty():
        universe, symbol, since, until = ended.row(0)
        raise InputError("until", f"a day from {since} on ({universe} {symbol})", until)
    member = pl.struct("universe", "symbol")
    earlier_until = pl.col("until").fill_null(date.max).shift(1)
    overlap = members.filter((member == member.shift(1)) & (pl.col("since") <= earlier_until))
    if not overlap.is_empty():
        universe, symbol, since, _ = overlap.row(0)
        raise InputError("since", f"a day after the earlier membership of {symbol} in {universe}", since)
    return members


def normalise_actions(frame: pl.DataFrame, sessions: Collection[date]) -> pl.DataFrame:
    """Corporate actions by ex-session: `cash` in CNY and `bonus` in new shares, each for one share held.

    A negative bonus takes shares away: -0.5 makes one of two.
    """
    actions = normalise(frame, ACTION_TABLE)
    refuse_others(actions.get_column("symbol"), frame)
    emptied = actions.filter(pl.col("bonus") <= -1)
    if not emptied.is_empty():
        symbol, session, _, bonus = emptied.row(0)
        raise InputError(
            "bonus", "more than -1, such as -0.5 where one share is made of two", f"{bonus} ({symbol} on {session})"
        )
    _refuse_non_sessions(actions, frame, sessions)
    return actions


def chain_factors(bars: pl.DataFrame, pre_close: pl.DataFrame, marks: pl.DataFrame, previous: date) -> pl.DataFrame:
    """Fill null adj_factors of one session's bars from the exchange's reference prices.

    `pre_close` (`symbol, pre_close`) is the previous close on today's basis, as exchanges publish it on ex-days, so
    today's factor = previous factor × previous close / pre_close. Only a mark of the `previous` session serves for
    that, since an older close would make a dividend of an ordinary move; with an older one the factor stays. A symbol
    without any starts at 1. `marks` as models.datasets.MARKS, which knows the newest earlier bar of every symbol.
    """
    earlier = marks.select("symbol", "bar_session", mark_close="close", mark_factor="adj_factor")
    factor = pl.col("mark_factor").fill_null(1.0)
    chained = (factor * pl.col("mark_close") / pl.col("pre_close")).round(6)
    follows = (pl.col("bar_session") == previous) & (pl.col("pre_close") > 0) & (pl.col("mark_close") > 0)
    return (
        bars.join(pre_close, on="symbol", how="left", maintain_order="left")
        .join(earlier, on="symbol", how="left", maintain_order="left")
        .with_columns(adj_factor=pl.coalesce("adj_factor", pl.when(follows).then(chained).otherwise(factor)))
        .select(list(BARS.schema))
    )


def fund_level(bars: pl.DataFrame, marks: pl.DataFrame, before: tuple[date, float] | None) -> float | None:
    """Level of etf_all at the bars' session: the funds' total returns, equally weighted, chained from 1,000 on.

    Nobody publishes an index of all funds, so where no level is handed in this is the benchmark. `before` is the newest
    earlier level with its session; only funds whose mark (models.datasets.MARKS) is of that very session are counted.
    None without any fund to count.
    """
    funds = bars.filter(board_expr(pl.col("symbol")) == "fund", pl.col("close") > 0)
    if funds.is_empty() or before is None:
        return None if funds.is_empty() else FUND_BASE
    session, value = before
    earlier = marks.filter(pl.col("bar_session") == session)
    pairs = funds.join(earlier, on="symbol", suffix="_mark")
    adjustment = (pl.col("adj_factor") / pl.col("adj_factor_mark")).fill_null(1.0)
    growth = pairs.select(pl.col("close") * adjustment / pl.col("close_mark")).to_series().mean()
    return round(value * growth, 3) if isinstance(growth, float) else None


def _refuse_non_sessions(rows: pl.DataFrame, frame: pl.DataFrame, sessions: Collection[date]) -> None:
    strays = sorted(set(rows.get_column("session").unique()) - set(sessions))
    if strays:
        field = "session" if "session" in frame.columns else "date"
        more = "" if len(strays) == 1 else f" (and {len(strays) - 1} more days)"
        raise InputError(field, "trading sessions of the exchange", f"{strays[0]}{more}")
