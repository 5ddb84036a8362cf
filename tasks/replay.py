"""Replay tasks: opening strategies and submitting signals from files, on the path that researchers use."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import ValidationError
from sqlmodel import select

from domain.sessions import DEADLINES, at
from models.datasets import ColumnType
from models.enums import ExecutionPrice, StrategyStatus
from models.errors import InputError
from models.strategies import Strategy, StrategyTerms
from store.home import Home
from store.portfolio_signals import active_portfolios
from store.settlements import settled_through
from store.signals import submit
from store.strategies import ensure_user, open_strategy
from tasks.portfolios import MADE_AT, make_signals

OWNER = "replay"
LEAD = timedelta(minutes=10)
ROWS_PER_GROUP = 200_000
SIGNALS: dict[str, ColumnType] = {
    "strategy": pl.String,
    "session": pl.Date,
    "symbol": pl.String,
    "weight": pl.Float64,
}


def scan_table(path: Path, field: str, known: Sequence[str], required: Sequence[str]) -> pl.LazyFrame:
    """Scan a Parquet or CSV file; InputError naming the unknown or missing column."""
    try:
        # Guessing the types of CSV columns would turn a strategy named 007 into 7.
        frame = pl.scan_csv(path, infer_schema=False) if path.suffix == ".csv" else pl.scan_parquet(path)
        found = frame.collect_schema().names()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(field, "a readable Parquet or CSV file", f"{path}: {error}") from error
    unknown = [name for name in found if name not in known]
    missing = [name for name in required if name not in found]
    if unknown or missing:
        raise InputError(field, f"columns among {', '.join(known)}", unknown[0] if unknown else f"no {missing[0]}")
    return frame


@task(cache_policy=NO_CACHE, persist_result=False)
def open_strategies(home: Home, terms: Sequence[StrategyTerms], now: datetime) -> int:
    """Open strategies in the replay's name, outside the tier limits; those that are open already stay as they are."""
    with home.ledger.write() as db:
        owner = ensure_user(db, OWNER, now)
        for each in terms:
            open_strategy(db, owner, each, now)
    return len(terms)


def read_strategies(path: Path) -> list[StrategyTerms]:
    """Read terms from a file whose columns are fields of StrategyTerms; what is missing or null takes its default."""
    frame = scan_table(path, "strategies", tuple(StrategyTerms.model_fields), ("slug",))
    terms = []
    for n, row in enumerate(frame.collect().iter_rows(named=True), start=1):
        given: dict[str, Any] = {name: value for name, value in row.items() if value is not None}
        try:
            terms.append(StrategyTerms.model_validate({"name": given.get("slug"), **given}))
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(f"strategies: row {n}, {first['loc'][0]}", first["msg"], first["input"]) from error
    return terms


@task(cache_policy=NO_CACHE, persist_result=False)
def prepare_signals(path: Path, folder: Path) -> Path:
    """Return a Parquet file of typed signals sorted by session: the one given if it is, else a copy in `folder`.

    Sorted, a session is read without reading the others, however long the history is.
    """
    frame = scan_table(path, "signals", tuple(SIGNALS), tuple(SIGNALS))
    try:
        found = dict(frame.collect_schema())
        if found["session"] == pl.String:
            frame = frame.with_columns(pl.col("session").str.to_date("%Y-%m-%d"))
        typed = frame.cast(pl.Schema(SIGNALS))
        session = pl.col("session")
        ordered, nulls = typed.select(session.is_sorted(), n=session.null_count()).collect().row(0)
        if nulls:
            raise InputError("signals: session", "a date in every row", f"{nulls} rows without")
        if found == SIGNALS and ordered and path.suffix != ".csv":
            return path
        copy = folder / "signals.parquet"
        typed.sort("session").sink_parquet(copy, row_group_size=ROWS_PER_GROUP)
    except pl.exceptions.PolarsError as error:
        raise InputError("signals", ", ".join(f"{name} ({kind})" for name, kind in SIGNALS.items()), error) from error
    return copy


def submit_signals(home: Home, path: Path, session: date, seal: Callable[[datetime], object]) -> int:
    """Submit a session's signals, moving the clock to ten minutes before each deadline; return how many were taken.

    `seal` seals what was submitted, at the time that it is given.

    Strategies that are paused or retired by then are passed over, as their owners would be refused. InputError for one
    that was never opened.
    """
    signals = pl.scan_parquet(path).filter(pl.col("session") == session).drop("session").collect()
    if signals.is_empty():
        return 0
    with home.ledger.read() as db:
        opened = db.exec(select(Strategy.slug, Strategy.execution_price, Strategy.status)).all()
    strange = set(signals["strategy"].unique()) - {slug for slug, _, _ in opened}
    if strange:
        raise InputError("signals: strategy", "the slug of a strategy", min(strange, key=str))
    taken = 0
    for price in ExecutionPrice:
        able = {StrategyStatus.PENDING, StrategyStatus.ACTIVE}
        slugs = [slug for slug, at_price, status in opened if at_price == price and status in able]
        ours = signals.filter(pl.col("strategy").is_in(slugs))
        if ours.height:
            now = at(session, DEADLINES[price]) - LEAD
            home.clock.set(now)
            taken += len(submit(home.ledger, home.sessions, session, ours, now))
            seal(now)
    return taken


def submit_portfolios(home: Home, session: date, seal: Callable[[datetime], object]) -> int:
    """Make the signals of the active portfolios at nine; return how many are new. Without any the clock stays."""
    with home.ledger.read() as db:
        if not active_portfolios(db):
            return 0
    set_clock(home, session, MADE_AT)
    taken = sum(each.news for each in make_signals.fn(home, session, home.clock.now()))
    if taken:
        seal(home.clock.now())
    return taken


@task(cache_policy=NO_CACHE, persist_result=False)
def remaining_sessions(home: Home, since: date, until: date) -> list[date]:
    """List the sessions of a replay that are not settled yet: a replay goes on where it was stopped."""
    with home.ledger.read() as db:
        settled = settled_through(db)
    return [day for day in home.sessions.between(since, until) if settled is None or day > settled]


def set_clock(home: Home, session: date, wall_time: time) -> None:
    """Move the simulated clock to a wall-clock time of a session."""
    home.clock.set(at(session, wall_time))
