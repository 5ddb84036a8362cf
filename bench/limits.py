"""Price limits against the market's prices: no traded price lies beyond a computed limit but for a named reason.

The exchange lets nothing trade beyond a limit, so the bars themselves say whether the rules are right. The peer is the
first edition of the rule book. Both real files are gone through where they are beside the checkout; without them the
report says that there is nothing to measure.
"""

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl

from bench.report import figure
from countersign.domain.market.quotes import ACTIONS_SCHEMA, LISTINGS_SCHEMA, quotes, tradable
from countersign.domain.market.rules import MOST_FREE_SESSIONS, Book
from countersign.domain.settlement.marks import next_marks
from countersign.models.datasets import BARS, MARKS

FOLDER = Path(__file__).resolve().parents[1].parent / "shared" / "market"
FILES = ("bars_full_market_2025_2026.parquet", "bars_csi800_2018_2026.parquet")
ROOM = 0.001  # of a share's tick of 0.01
# Reasons that the files show. That a listing was resumed, or began shortly before, is inferred from them and was not
# looked up share by share.
RESUMED = "sessions without a trade end here; a resumed listing has no limit in its first session"
REASONS = {
    ("001391.SZ", date(2025, 1, 3)): "the file's second session; a listing of the week before has no limit yet",
    ("000629.SZ", date(2018, 8, 24)): f"158 {RESUMED}",
    ("000950.SZ", date(2018, 8, 28)): f"160 {RESUMED}",
    ("000792.SZ", date(2021, 8, 10)): f"311 {RESUMED}",
    ("600733.SH", date(2018, 9, 27)): f"158 {RESUMED}",
    ("001872.SZ", date(2018, 7, 10)): f"125 {RESUMED}",
    (
        "600483.SH",
        date(2019, 8, 2),
    ): "an ex-day by factor alone; the high of 8.68 is the limit of a reference of 7.89, not 7.81",
}


def read_bars(path: Path) -> pl.DataFrame:
    """The file's bars, sorted by session and symbol; columns that it lacks are null."""
    bars = pl.read_parquet(path)
    missing = [pl.lit(None, kind).alias(name) for name, kind in BARS.schema.items() if name not in bars.columns]
    typed = bars.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in BARS.schema.items())
    return typed.sort("session", "symbol")


def sessions_of(bars: pl.DataFrame) -> Iterator[tuple[date, pl.DataFrame, pl.DataFrame]]:
    """Each session with its bars and its listings, by first bars after the file's first session."""
    days: list[date] = []
    first: dict[str, date] = {}
    for (session,), day in bars.partition_by("session", as_dict=True).items():
        days.append(session)
        for symbol in set(day["symbol"]) - first.keys():
            first[symbol] = session
        window = days[-MOST_FREE_SESSIONS:]
        ages = {since: len(window) - n for n, since in enumerate(window) if since > days[0]}
        rows = [(symbol, since, ages[since]) for symbol, since in first.items() if since in ages]
        yield session, day, pl.DataFrame(rows, schema=LISTINGS_SCHEMA, orient="row")


def beyond(bars: pl.DataFrame, book: Book) -> tuple[pl.DataFrame, int, int]:
    """Bars with a high or a low beyond the limit; how many bars were of listings, and how many of ex-days."""
    marks, actions = pl.DataFrame(schema=MARKS.schema), pl.DataFrame(schema=ACTIONS_SCHEMA)
    found, new, ex_days = [], 0, 0
    for session, day, listings in sessions_of(bars):
        offered = quotes(session, day["symbol"], day, marks, actions, listings, book)
        known = day.with_columns(up=pl.Series(offered.limit_up), down=pl.Series(offered.limit_down))
        high, low = pl.col("high") > pl.col("up") + ROOM, pl.col("low") < pl.col("down") - ROOM
        found.append(known.filter(tradable(), high | low))
        before = day.join(marks, on="symbol", suffix="_before")
        ex_days += before.filter((pl.col("adj_factor") - pl.col("adj_factor_before")).abs() > 1e-9).height
        new += listings.height
        marks = next_marks(session, marks, day, actions, book)
    return pl.concat(found), new, ex_days


def main() -> None:
    """Print how many bars of each file lie beyond the limits without a reason."""
    for path in (FOLDER / name for name in FILES):
        if not path.is_file():
            print(f"{path.name} is not beside the checkout: nothing to hold the limits against", file=sys.stderr)
            continue
        bars = read_bars(path)
        outside, new, ex_days = beyond(bars, Book.CURRENT)
        before, *_ = beyond(bars, Book.FIRST)
        unexplained = []
        for row in outside.select("symbol", "session", "low", "high", "down", "up").iter_rows():
            reason = REASONS.get(row[:2])
            print(f"{' '.join(map(str, row))}: {reason or 'no reason'}", file=sys.stderr)
            unexplained += [] if reason else [row]
        print(
            f"{path.name}: {bars.height} bars, {new} of listings in their first sessions, {ex_days} ex-days;"
            f" beyond the limits {outside.height}, by the first edition {before.height}",
            file=sys.stderr,
        )
        figure(
            f"bars beyond a limit without a reason, {path.stem}",
            [float(len(unexplained))],
            "bars",
            must=0,
            better="lower",
            peer="first edition of the rule book",
            peer_runs=[float(before.height)],
        )


if __name__ == "__main__":
    main()
