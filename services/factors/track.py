"""Factor: the out-of-sample IC of all active factors, a few sessions at a time, and tables of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from countersign.domain.factors.tracking import forward_returns, os_means, track
from countersign.models.datasets import FACTOR_IC
from countersign.models.enums import Phase
from countersign.services.factors.tracking import (
    read_active,
    read_closes,
    read_in_time,
    read_tracked,
    trackable,
    tracked_factors,
    untracked,
    write_tracking,
)
from countersign.services.factors.values import read_values
from countersign.store.home import Home

# Sessions whose values are in memory at once: 220 MB with a thousand factors of 500 symbols.
SESSIONS_PER_BATCH = 10
CHARTED, CHART_SESSIONS = 30, 60
BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Tracked:
    """Counts of a tracked session: the factors that had values, and those that have an IC."""

    session: date
    factors: int
    measured: int


def find_untracked(home: Home, through: date) -> dict[date, str]:
    """Map the sessions to track to their runs, oldest first: those that wait, and those that lost their file."""
    lost = {file.session for file, _ in home.lake.damaged(FACTOR_IC) if file.series is None}
    with home.ledger.read() as db:
        due = untracked(db, home.sessions, through)
        if lost:
            known = trackable(db, home.sessions, max(through, home.sessions.newest_closed(home.clock.now())))
            due |= {session: known[session] for session in lost & known.keys()}
    return dict(sorted(due.items()))


def track_sessions(home: Home, due: Mapping[date, str]) -> list[Tracked]:
    """Track sessions, and write the means that they lead to; all of it is committed at once."""
    with home.ledger.read() as db:
        active = read_active(db)
    values = read_values(home.lake, active["factor"].to_list(), min(due), max(due)).join(active, on="factor")
    values = values.filter(pl.col("session") >= pl.col("os_start_date"))
    frames = {session: _measure(home, session, values.filter(pl.col("session") == session)) for session in due}
    fresh = pl.concat(frames.values())
    old = read_tracked(home.lake, without=due)
    series = pl.concat([old, fresh.select(old.columns)])
    staged = [home.lake.stage(FACTOR_IC, session, frame, due[session]) for session, frame in frames.items()]
    with home.ledger.read() as db:
        in_time = read_in_time(db, home.sessions, max(series["session"]))
    figures = _figures(home, series.join(in_time, on=["factor", "session"]), active)
    with home.ledger.write() as db:
        home.lake.commit(db, staged, home.clock.now())
        write_tracking(db, figures)
    return [Tracked(session, frame.height, frame["ic"].count()) for session, frame in frames.items()]


def _measure(home: Home, session: date, values: pl.DataFrame) -> pl.DataFrame:
    """Measure the IC of all factors with values at a session: the columns of `factor_ic`."""
    following = home.sessions.next(session)
    pair = (following, home.sessions.next(following))
    returns = forward_returns(session, read_closes(home.lake, pair), (session, *pair))
    found = track(session, values.select("factor", "symbol", "value"), returns)
    return found.with_columns(ls_return=None, phase=pl.lit(str(Phase.OS))).select(
        pl.col(name).cast(kind) for name, kind in FACTOR_IC.schema.items()
    )


def _figures(home: Home, tracked: pl.DataFrame, active: pl.DataFrame) -> pl.DataFrame:
    """Make the columns of FactorTracking that tracking changes, for every active factor."""
    starts = dict(active.iter_rows())
    before = {factor: home.sessions.previous(start) or date.min for factor, start in starts.items()}
    activated = pl.DataFrame(list(before.items()), schema={"factor": pl.String, "activated": pl.Date}, orient="row")
    counted = tracked.filter("in_time", pl.col("ic").is_not_null()).group_by("factor").agg(os_sessions=pl.len())
    means = os_means(tracked.select("factor", "session", "ic", "in_time"), activated)
    return means.join(counted, on="factor", how="left").select(
        "factor",
        *(pl.col(f"ic_mean_{window}d").alias(f"os_ic_mean_{window}d") for window in (30, 60, 120)),
        pl.col("os_sessions").fill_null(0),
        pl.col("late").alias("os_late"),
    )


def list_tracked(home: Home, session: date) -> list[dict[str, Any]]:
    """List the active factors with their IC at a tracked session, the largest mean of 60 sessions first."""
    ics = home.lake.read(FACTOR_IC, session).filter(pl.col("phase") == Phase.OS)
    ic_of = dict(ics.select("factor", "ic").iter_rows())
    with home.ledger.read() as db:
        factors = tracked_factors(db)
    rows = [
        {
            "factor": factor.name,
            "id": factor.id,
            "ic": _round(ic_of.get(factor.id)),
            **{f"os_{window}d": _round(getattr(factor, f"os_ic_mean_{window}d")) for window in (30, 60, 120)},
            "is": _round(factor.ic_mean),
            "sessions": factor.os_sessions,
            "late": factor.os_late,
        }
        for factor in factors
    ]
    return sorted(rows, key=lambda row: (-abs(row["os_60d"] or 0.0), row["factor"]))


def chart(home: Home, rows: list[dict[str, Any]]) -> str:
    """Draw the last ICs of the first of these factors as bars from −1 to 1 of their largest, in Markdown."""
    series = read_tracked(home.lake).sort("session").group_by("factor").agg(pl.col("ic").tail(CHART_SESSIONS))
    ics = dict(series.iter_rows())
    lines = [f"{row['factor'][:30]:30} {draw(ics.get(row['id'], []))}" for row in rows[:CHARTED]]
    return "\n".join(("```", *lines, "```"))


def draw(ics: list[float | None]) -> str:
    """Draw a series as one bar a session, scaled by the largest absolute value; the middle is 0, a gap is no IC."""
    largest = max((abs(ic) for ic in ics if ic is not None), default=0.0) or 1.0
    places = ((len(BARS) - 1) * (1 + (ic or 0.0) / largest) / 2 for ic in ics)
    return "".join(" " if ic is None else BARS[round(place)] for ic, place in zip(ics, places, strict=True))


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
