"""Rules of the quality gate: the one list of what makes a session's bars doubtful, and how each breach is found.

`RULES` has every rule once: the gate's verdict comes from it (domain.market.quality), and so does the suite by which
Great Expectations validates the same session (services.settlement.expectations). Users' submissions never hold a
session: the rules look at bars, index levels, and the symbols of positions. Bars are taken as stored, with null where
something is unknown; they need not be sorted.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

import polars as pl

from countersign.domain.market.actions import unborne
from countersign.domain.market.quotes import ACTIONS_SCHEMA, LISTINGS_SCHEMA, tradable
from countersign.models.datasets import BARS, MARKS
from countersign.models.enums import Severity, Universe
from countersign.models.quality import Finding

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


@dataclass(frozen=True)
class Context:
    """Facts beside a session's bars; by default none are known.

    `recent_rows` are the row counts of the sessions before, newest last (20 are used); `present` the index levels there
    are for the session and `needed` those that strategies are measured against; `before` the bars of the session
    before (symbol, close, volume, suspended at least); `marks` the newest earlier bar of every symbol; `held` the
    symbols that positions hold, `delisted` those of them that are no longer listed, and `valueless` those without a
    delisting value; `presumed` the listings that rest on a first bar alone. Frames as models.datasets and
    domain.market.quotes have them.
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


class BarRule(NamedTuple):
    """No bar may have `wrong` true, null being not true. Expressions are over the columns of `with_limits`."""

    name: str
    severity: Severity
    wrong: pl.Expr
    detail: str

    def find(self, bars: pl.DataFrame, _context: Context) -> Finding | None:
        """Find the bars that break the rule, None where all keep it."""
        return _finding(self.name, self.severity, bars.filter(self.wrong)["symbol"], self.detail)


class SessionRule(NamedTuple):
    """A rule on the session as a whole; `check` finds its breach. `severity` is its weight at worst."""

    name: str
    severity: Severity
    detail: str
    check: Callable[["SessionRule", pl.DataFrame, Context], Finding | None]

    def find(self, bars: pl.DataFrame, context: Context) -> Finding | None:
        """Find the breach of the rule, None where the session keeps it."""
        return self.check(self, bars, context)


Rule = BarRule | SessionRule


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


def _finding(rule: str, severity: Severity, symbols: pl.Series, detail: str) -> Finding | None:
    distinct = symbols.unique().sort()
    return Finding(rule, severity, len(distinct), detail, tuple(distinct.head(SAMPLE))) if len(distinct) else None


def _no_bars(rule: SessionRule, bars: pl.DataFrame, _context: Context) -> Finding | None:
    return None if bars.height else Finding(rule.name, rule.severity, 1, rule.detail)


def _named(symbols: Callable[[Context], Collection[str]]) -> Callable[..., Finding | None]:
    """A check whose breach is the symbols that the context names."""

    def check(rule: SessionRule, _bars: pl.DataFrame, context: Context) -> Finding | None:
        return _finding(rule.name, rule.severity, pl.Series("symbol", list(symbols(context)), pl.String), rule.detail)

    return check


def _too_few(rule: SessionRule, bars: pl.DataFrame, context: Context) -> Finding | None:
    recent = context.recent_rows[-RECENT_SESSIONS:]
    if bars.height >= LEAST_ROWS * median(recent or [0]):
        return None
    detail = f"{bars.height} rows, {rule.detail} of the last {len(recent)} sessions, {median(recent):g}"
    return Finding(rule.name, rule.severity, bars.height, detail)


def _missing_index(rule: SessionRule, _bars: pl.DataFrame, context: Context) -> Finding | None:
    missing = sorted(set(context.needed) - set(context.present))
    if not missing:
        return None
    return Finding(rule.name, rule.severity, len(missing), f"no level of {', '.join(missing)}", tuple(missing))


def _absent(rule: SessionRule, bars: pl.DataFrame, context: Context) -> Finding | None:
    """Held symbols that had a bar the session before and have none now.

    One that was absent before is suspended or delisted, and was reported then. A few symbols are a warning; many, and
    a large part of the held ones, are a broken delivery.
    """
    expected = (set(context.held) - set(context.delisted)) & set(context.before["symbol"])
    absent = pl.Series("symbol", sorted(expected - set(bars["symbol"])), dtype=pl.String)
    if len(absent) > MOST_ABSENT * len(expected) and len(absent) >= LEAST_ABSENT:
        detail = f"{len(absent)} of {len(expected)} held symbols that had a bar the session before have none"
        return _finding(rule.name, rule.severity, absent, detail)
    return _finding(rule.name, Severity.WARN, absent, rule.detail)


def repeated_bars(bars: pl.DataFrame, before: pl.DataFrame) -> Finding | None:
    """Find a delivery that repeats the session before. Bars that are all alike prove nothing: they were made up."""
    pairs = bars.filter(TRADABLE).join(before.filter(TRADABLE), on="symbol", suffix="_before")
    same = pairs.filter(pl.col("close") == pl.col("close_before"), pl.col("volume") == pl.col("volume_before"))
    different = same.select(pl.struct("close", "volume").n_unique()).item()
    if same.height < LEAST_REPEATED or same.height < MOST_REPEATED * pairs.height or different < same.height / 2:
        return None
    detail = f"{same.height} of {pairs.height} {REPEATED.detail}"
    return _finding(REPEATED.name, REPEATED.severity, same["symbol"], detail)


REPEATED = SessionRule(
    "repeated bars",
    Severity.HOLD,
    "tradable symbols repeat the close and volume of the session before",
    lambda _rule, bars, context: repeated_bars(bars, context.before),
)
RULES: tuple[Rule, ...] = (
    SessionRule("no bars", Severity.HOLD, "no bar at all", _no_bars),
    *BAR_RULES,
    SessionRule(
        "too few rows",
        Severity.HOLD,
        f"under {LEAST_ROWS:.0%} of the median",
        _too_few,
    ),
    SessionRule("missing index", Severity.HOLD, "no level of an index that strategies need", _missing_index),
    SessionRule(
        "absent symbols", Severity.HOLD, "held, and without a bar from here on: marked at the last close", _absent
    ),
    REPEATED,
    SessionRule(
        "no delisting value",
        Severity.WARN,
        "delisted, and kept at the last close until a value is entered",
        _named(lambda context: context.valueless),
    ),
    SessionRule(
        "presumed listing",
        Severity.WARN,
        "no price limit: new by the first bar, as no instrument says more",
        _named(lambda context: context.presumed),
    ),
)
