"""The lens at 10,000 strategies × 1,000 sessions: reading it, publishing one session more, and checking files for that.

NAV is 10,000,000 rows in 1,000 files, all different. Orders, positions and signals (500,000 rows a session) are one
session's files linked into every session: their number and size are measured, not their figures.
"""

# ruff: noqa: S608 - table names and paths of our own

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median

import duckdb
import numpy as np
import polars as pl

from bench.report import figure
from countersign.models.datasets import NAV
from countersign.services.publication.publish import publish, rebuild
from countersign.services.publication.snapshot import take_snapshot
from countersign.store.home import Home
from countersign.store.lake.digests import identity
from countersign.store.lake.lake import StagedFile
from countersign.store.lens.reader import open_lens
from tests.support.settled import bars, commit, index_levels, make_home, results, slugs, stage, weekdays

STRATEGIES = 10_000
SYMBOLS = [f"{600_000 + n}.SH" for n in range(50)]
SESSIONS = 1_000
MORE = 10


def main() -> None:
    """Print one JSON line a figure."""
    days = weekdays(SESSIONS + 2 * MORE, first=date(2021, 1, 4))
    with tempfile.TemporaryDirectory(dir=os.environ.get("COUNTERSIGN_BENCH_FOLDER")) as folder:
        home = make_home(Path(folder), STRATEGIES)
        files = prepare(home, days)
        settle(home, files, days[:50])
        publish(home)
        publish_more(home, files, days[50 : 50 + MORE], "50")
        settle(home, files, days[50 + MORE : SESSIONS])
        figure("lens.publish_940_sessions_at_once", [timed(lambda: publish(home))], "s", must=None, better="lower")
        read(home, files, days[:SESSIONS])
        publish_more(home, files, days[SESSIONS : SESSIONS + MORE], "1000")
        figure(
            "lens.publish_nothing_new", [timed(lambda: publish(home)) for _ in range(5)], "s", must=None, better="lower"
        )
        figure("lens.size", [publish(home).path.stat().st_size / 1e6], "MB", must=None, better="lower")
        figure("lens.rebuild", [timed(lambda: rebuild(home))], "s", must=None, better="lower")


def prepare(home: Home, days: Sequence[date]) -> dict[date, list[StagedFile]]:
    """Stage every session's files, none of them committed."""
    names = slugs(STRATEGIES)
    frames = results(days[0], names, SYMBOLS, 0) | {
        "bars": bars(days[0], SYMBOLS),
        "index_levels": index_levels(days[0]),
    }
    nav = frames.pop("nav")
    shared = stage(home, days[0], frames)
    rng = np.random.default_rng(0)
    prepared = {}
    for session in days:
        moved = nav.with_columns(
            pl.lit(session).alias("session"),
            pl.Series("daily_return", rng.normal(0, 0.01, STRATEGIES)),
            pl.Series("cumulative_return", rng.normal(0, 0.2, STRATEGIES)),
            (pl.col("nav") * pl.Series(rng.integers(90, 110, STRATEGIES))).cast(pl.Decimal(18, 2)),
        )
        linked = [link(home, file, session) for file in shared]
        prepared[session] = [*linked, home.lake.stage(NAV, session, moved, run="0" * 16)]
    return prepared


def link(home: Home, file: StagedFile, session: date) -> StagedFile:
    """Give a staged file to another session."""
    path = file.path.replace(str(file.session), str(session))
    target = home.lake_path / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        os.link(home.lake_path / file.path, target)
    return replace(file, session=session, path=path)


def settle(home: Home, files: dict[date, list[StagedFile]], days: Sequence[date]) -> None:
    """Commit sessions, each file as it is now: every link to it changed the times of its entry."""
    for session in days:
        staged = [replace(file, checked_as=identity((home.lake_path / file.path).stat())) for file in files[session]]
        commit(home, session, staged, STRATEGIES)


def publish_more(home: Home, files: dict[date, list[StagedFile]], days: Sequence[date], history: str) -> None:
    """Report the cost of publishing, a session at a time."""
    seconds = []
    for session in days:
        settle(home, files, [session])
        seconds.append(timed(lambda: publish(home)))
    figure(f"lens.publish_one_session_after_{history}", seconds, "s", must=1.0, better="lower")
    figure(f"lens.publish_one_session_after_{history}_worst", [max(seconds)], "s", must=None, better="lower")
    checked = take_snapshot(home.lake).checked
    checking = [timed(lambda: home.lake.require_known(checked)) for _ in days]
    most = 0.05 * median(seconds)
    figure(f"lens.check_files_after_{history}", checking, "s", must=most, better="lower")


def read(home: Home, files: dict[date, list[StagedFile]], days: Sequence[date]) -> None:
    """Report the cost of reading."""
    strategy = slugs(STRATEGIES)[4_321]
    names = ", ".join(f"'{home.lake_path / file.path}'" for day in days for file in files[day] if file.dataset == "nav")
    figures = "session, nav, cash, daily_return, cumulative_return, benchmark_return"
    history = f"SELECT {figures} FROM {{}} WHERE strategy = ? ORDER BY session"
    bare = f"(FROM read_parquet([{names}], hive_partitioning = false))"
    newest = "SELECT * FROM {} WHERE session = DATE '2024-10-31'"
    with open_lens(home.path) as lens, duckdb.connect() as peer:

        def query(sql: str, *values: str) -> int:
            with lens.use() as db:
                return len(db.execute(sql, values).fetchall())

        assert query(history.format("nav"), strategy) == SESSIONS
        theirs = repeat(lambda: peer.execute(history.format(bare), [strategy]).fetchall(), 5)
        ours = repeat(lambda: query(history.format("nav"), strategy), 30)
        figure(
            "lens.nav_history",
            ours,
            "ms",
            must=5.0,
            peer="DuckDB over the bare Parquet files",
            peer_runs=theirs,
            better="lower",
        )
        with lens.use() as db:
            columns_only = repeat(lambda: db.execute(history.format("nav"), [strategy]).fetchnumpy(), 30)
        figure("lens.nav_history_as_columns", columns_only, "ms", must=5.0, better="lower")
        figure("lens.nav_one_session", repeat(lambda: query(newest.format("nav")), 10), "ms", must=None, better="lower")
        for table in ("positions", "orders"):
            one = newest.format(table) + f" AND strategy = '{strategy}'"
            figure(
                f"lens.{table}_one_session_one_strategy",
                repeat(partial(query, one), 20),
                "ms",
                must=None,
                better="lower",
            )
            count = f"SELECT count(*) FROM ({newest.format(table)})"
            figure(
                f"lens.{table}_one_session_count", repeat(partial(query, count), 10), "ms", must=None, better="lower"
            )
        session = f"SELECT sum(market_value) FROM ({newest.format('positions')})"
        figure("lens.positions_one_session_sum", repeat(lambda: query(session), 10), "ms", must=None, better="lower")
        figure(
            "lens.positions_one_strategy_all_sessions",
            repeat(lambda: query("SELECT * FROM positions WHERE strategy = ? ORDER BY session", strategy), 1),
            "ms",
            must=None,
            better="lower",
        )


def repeat(call: Callable[[], object], runs: int) -> list[float]:
    """Milliseconds of each run, warm."""
    call()
    return [1_000 * timed(call) for _ in range(runs)]


def timed(call: Callable[[], object]) -> float:
    """Seconds of one run."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
