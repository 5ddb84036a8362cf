"""The quality gate: what is wrong with a session's bars before anything is settled with them.

A finding that holds stops the settlement of the session; a warning is only told. The bars are taken as stored, with
null where something is unknown; they need not be sorted.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from statistics import median

import polars as pl

from domain.quotes import limit_price, tradable
from domain.rules import trading_rules
from models.enums import Severity, Universe
from models.quality import Finding

RECENT_SESSIONS = 20
LEAST_ROWS = 0.9
MOST_ABSENT = 0.2
SAMPLE = 10

TRADABLE = tradable()
PRICES = ("open", "high", "low", "close")


def inspect(
    session: date,
    bars: pl.DataFrame,
    *,
    recent_rows: Sequence[int],
    present: Collection[Universe],
    needed: Collection[Universe],
    held: Collection[str],
    marks: pl.DataFrame,
) -> list[Finding]:
    """Findings on one session's bars, those that hold first; an empty list is a clean bill.

    `recent_rows` are the row counts of the sessions before, newest last (20 are used); `present` the index levels there
    are for the session and `needed` those that strategies are measured against; `held` the symbols that strategies hold
    or have signalled; `marks` the newest earlier bar of every symbol (models.datasets.MARKS).
    """
    if bars.is_empty():
        return [Finding("no bars", Severity.HOLD, 1, f"no bar at all for {session}")]
    known = with_limits(session, bars, marks)
    found = [
        _duplicates(bars),
        _of_rows(known, _bad_price(), "bad price", Severity.HOLD, "a price ≤ 0 or null on a tradable bar"),
        _of_rows(known, _disorder(), "price disorder", Severity.HOLD, "high below, or low above, another price"),
        _too_few(bars.height, recent_rows),
        _missing_index(present, needed),
        _absent(bars, held),
        _of_rows(known, _beyond_limit(), "beyond limit", Severity.WARN, "a move beyond the limit by more than a tick"),
        _of_rows(known, TRADABLE & (pl.col("amount") == 0), "zero amount", Severity.WARN, "volume with zero amount"),
        _of_rows(known, _falling(), "falling factor", Severity.WARN, "adj_factor below that of the newest earlier bar"),
    ]
    return [finding for finding in found if finding is not None]


def verdict(findings: Iterable[Finding]) -> str:
    """`hold` if any finding holds, else `warn` if there is any, else `pass`."""
    severities = {finding.severity for finding in findings}
    return Severity.HOLD if Severity.HOLD in severities else Severity.WARN if severities else "pass"


def with_limits(session: date, bars: pl.DataFrame, marks: pl.DataFrame) -> pl.DataFrame:
    """Bars with `up`, `down`, `tick` and `mark_factor`. A bar's own limits win; no earlier bar: no limit (null)."""
    rules = trading_rules(bars["symbol"], session).drop("symbol")
    earlier = marks.select("symbol", mark_close="close", mark_factor="adj_factor")
    known = bars.hstack(rules).join(earlier, on="symbol", how="left", maintain_order="left")
    basis, move, decimals = known.select(
        pl.col("mark_close") * (pl.col("mark_factor") / pl.col("adj_factor")).fill_null(1.0),
        pl.when(pl.col("is_st").fill_null(value=False)).then("limit_st").otherwise("limit"),
        "limit_decimals",
    ).iter_columns()
    up, down = (
        pl.Series(limit_price(basis.to_numpy(), sign * move.to_numpy(), decimals.to_numpy()), nan_to_null=True)
        for sign in (1, -1)
    )
    return known.with_columns(
        up=pl.coalesce("limit_up", up), down=pl.coalesce("limit_down", down), tick=pl.lit(10.0).pow(-decimals)
    )


def least_rows(recent_rows: Sequence[int]) -> float:
    """How many rows a session needs at least, given those of the sessions before."""
    return LEAST_ROWS * median(recent_rows[-RECENT_SESSIONS:] or [0])


def _bad_price() -> pl.Expr:
    return TRADABLE & ~pl.all_horizontal((pl.col(p) > 0).fill_null(value=False) for p in PRICES)


def _disorder() -> pl.Expr:
    """Tradable bars only: vendors carry the close of a suspended one beside zeros, and nothing is traded at it."""
    highest, lowest = pl.max_horizontal("open", "close", "low"), pl.min_horizontal("open", "close", "high")
    return TRADABLE & ((pl.col("high") < highest) | (pl.col("low") > lowest))


def _beyond_limit() -> pl.Expr:
    slack = pl.col("tick") * (1 + 1e-6)
    return TRADABLE & ((pl.col("high") > pl.col("up") + slack) | (pl.col("low") < pl.col("down") - slack))


def _falling() -> pl.Expr:
    return pl.col("adj_factor") < pl.col("mark_factor") * (1 - 1e-9)


def _of_rows(known: pl.DataFrame, wrong: pl.Expr, rule: str, severity: Severity, detail: str) -> Finding | None:
    symbols = known.filter(wrong).get_column("symbol")
    return _finding(rule, severity, symbols, detail) if len(symbols) else None


def _finding(rule: str, severity: Severity, symbols: pl.Series, detail: str) -> Finding:
    sample = tuple(symbols.unique().sort().head(SAMPLE))
    return Finding(rule, severity, len(symbols), detail, sample)


def _duplicates(bars: pl.DataFrame) -> Finding | None:
    symbols = bars.get_column("symbol")
    repeated = symbols.filter(symbols.is_duplicated()).unique()
    return (
        _finding("duplicate symbols", Severity.HOLD, repeated, "several bars of one symbol") if len(repeated) else None
    )


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


def _absent(bars: pl.DataFrame, held: Collection[str]) -> Finding | None:
    absent = pl.Series("symbol", sorted(set(held) - set(bars.get_column("symbol"))), dtype=pl.String)
    if len(absent) <= MOST_ABSENT * len(set(held)):
        return None
    detail = f"{len(absent)} of {len(set(held))} held or signalled symbols have no bar"
    return _finding("absent symbols", Severity.HOLD, absent, detail)
