"""The quality gate: findings on a session's bars before anything is settled with them.

A finding that holds stops the settlement of the session; a warning is only reported. Users' submissions never hold:
the gate looks at bars, index levels, and the symbols of positions. The bars are taken as stored, with null where
something is unknown; they need not be sorted.

`BAR_RULES` is the one list of faults of a bar: the findings come from it, and so does the suite by which Great
Expectations validates the same bars (tasks.expectations).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from statistics import median
from typing import NamedTuple

import polars as pl

from domain.actions import unborne
from domain.limits import Before, limit_prices, printed_fraction, reference_price
from domain.quotes import ACTIONS_SCHEMA, LISTINGS_SCHEMA, consolidations, tradable
from domain.rules import free_of_limits, trading_rules
from models.datasets import BARS, MARKS
from models.enums import Severity, Universe
from models.quality import Finding

RECENT_SESSIONS = 20
LEAST_ROWS = 0.9
MOST_ABSENT, LEAST_ABSENT = 0.2, 2
# A delivery that repeats the day before: so many of its tradable symbols, of at least so many, no two alike.
MOST_REPEATED, LEAST_REPEATED = 0.95, 10
# Amount / volume lies between low and high; lots and thousands are 100 and 1,000 times away.
FAR = 2.0
# No share moves so far between two bars; a larger move would not fit into a NAV.
JUMP = 1000.0
SAMPLE = 10

TRADABLE = tradable()
PRICES = ("open", "high", "low", "close")


class BarRule(NamedTuple):
    """No bar may have `wrong` true, null being not true. Expressions are over the columns of `with_limits`."""

    name: str
    severity: Severity
    wrong: pl.Expr
    detail: str


@dataclass(frozen=True)
class Context:
    """Facts beside a session's bars; by default none are known.

    `recent_rows` are the row counts of the sessions before, newest last (20 are used); `present` the index levels there
    are for the session and `needed` those that strategies are measured against; `before` the bars of the session
    before (symbol, close, volume, suspended at least); `marks` the newest earlier bar of every symbol; `held` the
    symbols that positions hold, `delisted` those of them that are no longer listed, and `valueless` those without a
    delisting value; `presumed` the listings that rest on a first bar alone. Frames as models.datasets and domain.quotes
    have them.
    """

    recent_rows: Sequence[int] = ()
    present: Collection[Universe] = tuple(Universe)
    needed: Collection[Universe] = ()
    before: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BARS.schema))
    marks: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MARKS.schema))
    actions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ACTIONS_SCHEMA))
    listings: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=LISTINGS_SCHEMA))
    held: Collection[str] = ()
    delisted: Collection[str] = ()
    valueless: Collection[str] = ()
    presumed: Collection[str] = ()


def _bad_price() -> pl.Expr:
    return TRADABLE & ~pl.all_horizontal(
        ((pl.col(p) > 0) & pl.col(p).is_finite()).fill_null(value=False) for p in PRICES
    )


def _disorder() -> pl.Expr:
    """Tradable bars only: vendors carry the close of a suspended one beside zeros, and nothing is traded at it."""
    highest, lowest = pl.max_horizontal("open", "close", "low"), pl.min_horizontal("open", "close", "high")
    half_a_tick = pl.col("tick") * (0.5 - 1e-6)
    return TRADABLE & ((highest - pl.col("high") >= half_a_tick) | (pl.col("low") - lowest >= half_a_tick))


def _jump() -> pl.Expr:
    ratio = pl.max_horizontal("open", "close") / pl.col("reference")
    worth = pl.col("adj_factor") / pl.col("mark_factor")
    return TRADABLE & ((ratio > JUMP) | (worth > JUMP))


def _beyond_limit() -> pl.Expr:
    slack = pl.col("tick") * (1 + 1e-6)
    return TRADABLE & ((pl.col("high") > pl.col("up") + slack) | (pl.col("low") < pl.col("down") - slack))


def units() -> pl.Expr:
    """Whether amount / volume is far from the bar's low and high."""
    mean = pl.col("amount") / pl.col("volume")
    return TRADABLE & (pl.col("amount") > 0) & ((mean > pl.col("high") * FAR) | (mean * FAR < pl.col("low")))


def _falling() -> pl.Expr:
    return (pl.col("adj_factor") < pl.col("mark_factor") * (1 - 1e-9)) & ~pl.col("consolidated")


BAR_RULES = (
    BarRule("duplicate symbols", Severity.HOLD, pl.col("symbol").is_duplicated(), "several bars of one symbol"),
    BarRule("bad price", Severity.HOLD, _bad_price(), "a price ≤ 0 or null on a tradable bar"),
    BarRule("price disorder", Severity.HOLD, _disorder(), "high below, or low above, another price by half a tick"),
    BarRule("price jump", Severity.HOLD, _jump(), f"a price or factor over {JUMP:,.0f} times that of the bar before"),
    BarRule("beyond limit", Severity.WARN, _beyond_limit(), "a move beyond the limit by more than a tick"),
    BarRule("zero amount", Severity.WARN, TRADABLE & (pl.col("amount") == 0), "volume with zero amount"),
    BarRule("units", Severity.WARN, units(), "amount / volume far outside low..high: lots, or thousands of CNY"),
    BarRule("falling factor", Severity.WARN, _falling(), "adj_factor below that of the bar before, not applied"),
    BarRule(
        "unborne action", Severity.WARN, unborne(), "a corporate action that neither adj_factor nor open bears out"
    ),
)


def inspect(session: date, bars: pl.DataFrame, context: Context) -> list[Finding]:
    """Findings on one session's bars, those that hold first; an empty list is a clean bill."""
    if bars.is_empty():
        return [Finding("no bars", Severity.HOLD, 1, f"no bar at all for {session}")]
    known = with_limits(session, bars, context)
    found = [
        *(_of_bars(known, rule) for rule in BAR_RULES),
        _too_few(bars.height, context.recent_rows),
        _missing_index(context.present, context.needed),
        _absent(bars, context),
        repeated_bars(bars, context.before),
        _named(
            "no delisting value", context.valueless, "delisted, and kept at the last close until a value is entered"
        ),
        _named(
            "presumed listing", context.presumed, "no price limit: new by the first bar, as no instrument says more"
        ),
    ]
    return sorted(
        (finding for finding in found if finding is not None), key=lambda finding: finding.severity is not Severity.HOLD
    )


def verdict(findings: Iterable[Finding]) -> str:
    """`hold` if any finding holds, else `warn` if there is any, else `pass`."""
    severities = {finding.severity for finding in findings}
    return Severity.HOLD if Severity.HOLD in severities else Severity.WARN if severities else "pass"


def with_limits(session: date, bars: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Bars with `reference`, `up`, `down`, `tick`, `mark_factor` and `consolidated`.

    Null where there is no limit. A bar's own limits above 0 win.
    """
    earlier = context.marks.select("symbol", mark_close="close", mark_factor="adj_factor")
    known = (
        bars.hstack(trading_rules(bars["symbol"], session).drop("symbol"))
        .join(earlier, on="symbol", how="left", maintain_order="left")
        .join(context.actions.select("symbol", "cash", "bonus"), on="symbol", how="left", maintain_order="left")
    )
    move = pl.when(pl.col("is_st").fill_null(value=False)).then("limit_st").otherwise("limit")
    numbers = {
        name: known.select(value).to_series().cast(pl.Float64).to_numpy()
        for name, value in {
            **{
                name: pl.col(name)
                for name in ("mark_close", "mark_factor", "adj_factor", "cash", "bonus", "open", "high", "low")
            },
            "move": move,
        }.items()
    }
    before = Before(numbers["mark_close"], numbers["mark_factor"], numbers["cash"], numbers["bonus"])
    decimals, inward = known["decimals"].to_numpy(), known["inward"].to_numpy()
    reference = reference_price(before, numbers["adj_factor"], decimals)
    is_fund = (known["board"] == "fund").to_numpy()
    fraction = printed_fraction(numbers["move"], reference, numbers["high"], numbers["low"], is_fund)
    up, down = limit_prices(reference, fraction, decimals, inward)
    fall = consolidations(numbers["open"], numbers["adj_factor"], before)
    free = pl.col("symbol").is_in(free_of_limits(context.listings).implode())
    return known.with_columns(
        *(
            pl.Series(name, values, nan_to_null=True)
            for name, values in (("up", up), ("down", down), ("reference", reference))
        ),
        consolidated=pl.Series(fall < 1.0),
        tick=pl.lit(10.0).pow(-pl.col("decimals")),
    ).with_columns(
        pl.when(pl.col(f"limit_{side}") > 0).then(f"limit_{side}").when(~free).then(side).alias(side)
        for side in ("up", "down")
    )


def least_rows(recent_rows: Sequence[int]) -> float:
    """Least number of rows of a session, given those of the sessions before."""
    return LEAST_ROWS * median(recent_rows[-RECENT_SESSIONS:] or [0])


def _of_bars(known: pl.DataFrame, rule: BarRule) -> Finding | None:
    return _finding(rule.name, rule.severity, known.filter(rule.wrong)["symbol"], rule.detail)


def _finding(rule: str, severity: Severity, symbols: pl.Series, detail: str) -> Finding | None:
    distinct = symbols.unique().sort()
    return Finding(rule, severity, len(distinct), detail, tuple(distinct.head(SAMPLE))) if len(distinct) else None


def _named(rule: str, symbols: Collection[str], detail: str) -> Finding | None:
    return _finding(rule, Severity.WARN, pl.Series("symbol", list(symbols), dtype=pl.String), detail)


def _too_few(rows: int, recent_rows: Sequence[int]) -> Finding | None:
    recent = recent_rows[-RECENT_SESSIONS:]
    if rows >= least_rows(recent):
        return None
    detail = f"{rows} rows, under {LEAST_ROWS:.0%} of the median of the last {len(recent)} sessions, {median(recent):g}"
    return Finding("too few rows", Severity.HOLD, rows, detail)


def _missing_index(present: Collection[Universe], needed: Collection[Universe]) -> Finding | None:
    missing = sorted(set(needed) - set(present))
    if not missing:
        return None
    return Finding("missing index", Severity.HOLD, len(missing), f"no level of {', '.join(missing)}", tuple(missing))


def _absent(bars: pl.DataFrame, context: Context) -> Finding | None:
    """Held symbols that had a bar the session before and have none now.

    One that was absent before is suspended or delisted, and was reported then. A few symbols are a warning; many, and
    a large part of the held ones, are a broken delivery.
    """
    expected = (set(context.held) - set(context.delisted)) & set(context.before["symbol"])
    absent = pl.Series("symbol", sorted(expected - set(bars["symbol"])), dtype=pl.String)
    if len(absent) > MOST_ABSENT * len(expected) and len(absent) >= LEAST_ABSENT:
        detail = f"{len(absent)} of {len(expected)} held symbols that had a bar the session before have none"
        return _finding("absent symbols", Severity.HOLD, absent, detail)
    return _named("absent symbols", list(absent), "held, and without a bar from here on: marked at the last close")


def repeated_bars(bars: pl.DataFrame, before: pl.DataFrame) -> Finding | None:
    """Find a delivery that repeats the session before. Bars that are all alike prove nothing: they were made up."""
    pairs = bars.filter(TRADABLE).join(before.filter(TRADABLE), on="symbol", suffix="_before")
    same = pairs.filter(pl.col("close") == pl.col("close_before"), pl.col("volume") == pl.col("volume_before"))
    different = same.select(pl.struct("close", "volume").n_unique()).item()
    if same.height < LEAST_REPEATED or same.height < MOST_REPEATED * pairs.height or different < same.height / 2:
        return None
    detail = f"{same.height} of {pairs.height} tradable symbols repeat the close and volume of the session before"
    return _finding("repeated bars", Severity.HOLD, same["symbol"], detail)
