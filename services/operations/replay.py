"""Replay: opening strategies and submitting signals from files, on the path that researchers use."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
from pydantic import ValidationError
from sqlmodel import select

from countersign.domain.market.instruments import refuse_others
from countersign.domain.sessions import DEADLINES, at
from countersign.domain.signals.replay import SIGNAL_TABLE
from countersign.domain.tables import clean
from countersign.models.datasets import ColumnType
from countersign.models.enums import ExecutionPrice, StrategyStatus
from countersign.models.errors import InputError, RowError
from countersign.models.tables.strategies import Strategy, StrategyTerms
from countersign.services.portfolios.make_signals import MADE_AT, make_signals
from countersign.services.portfolios.signals import active_portfolios
from countersign.services.settlement.settled import settled_through
from countersign.services.signals.submission import submit
from countersign.services.strategies.lifecycle import ensure_user, open_strategy
from countersign.sources.files.tables import naming, read_batches, read_checked
from countersign.store.home import Home

OWNER = "replay"
LEAD = timedelta(minutes=10)
ROWS_PER_GROUP = 200_000
SIGNALS: dict[str, ColumnType] = {
    "strategy": pl.String,
    "session": pl.Date,
    "symbol": pl.String,
    "weight": pl.Float64,
}


@dataclass(frozen=True)
class PreparedSignals:
    """A Parquet file of typed signals sorted by session, and how many rows it has of each day."""

    path: Path
    rows: dict[date, int]


def open_strategies(home: Home, terms: Sequence[StrategyTerms], now: datetime) -> int:
    """Open strategies in the replay's name, outside the tier limits; those that are open already stay as they are."""
    with home.ledger.write() as db:
        owner = ensure_user(db, OWNER, now)
        for each in terms:
            open_strategy(db, owner, each, now)
    return len(terms)


def read_strategies(path: Path) -> list[StrategyTerms]:
    """Read terms from a file whose columns are fields of StrategyTerms; a missing or null field takes its default."""
    return read_checked(path, _understand_strategies)


def _understand_strategies(frame: pl.DataFrame) -> list[StrategyTerms]:
    known = StrategyTerms.model_fields
    for name in frame.columns:
        if name not in known:
            raise InputError(name, f"only the columns {', '.join(known)}", "an unknown column")
    if "slug" not in frame.columns:
        raise InputError("slug", "a column of strategies", f"only {', '.join(frame.columns)}")
    terms = []
    for n, row in enumerate(frame.iter_rows(named=True), start=1):
        given: dict[str, Any] = {name: value for name, value in row.items() if value is not None}
        try:
            terms.append(StrategyTerms.model_validate({"name": given.get("slug"), **given}))
        except ValidationError as error:
            first = error.errors()[0]
            raise RowError(str(first["loc"][0]), first["msg"], repr(first["input"]), n) from error
    return terms


def prepare_signals(path: Path, folder: Path) -> PreparedSignals:
    """Check a file of signals, row by row; take it as it is if it is typed and sorted by session, else a copy.

    The copy is made in `folder`. Sorted, a session is read without reading the others, however long the history is.
    InputError names the row that is no signal.
    """
    rows: Counter[date] = Counter()
    newest, ordered, before = date.min, True, 0
    with ExitStack() as copying:
        copy: pq.ParquetWriter | None = None
        for batch in read_batches(path):
            with naming(path, before):
                signals = clean(batch, SIGNAL_TABLE)
                refuse_others(signals["symbol"], batch)
            before += batch.height
            session = signals["session"]
            ordered = ordered and session.is_sorted() and newest <= session[0]
            newest = session[-1]
            for day, count in session.value_counts().iter_rows():
                rows[day] += count
            if dict(batch.schema) != SIGNALS:
                table = signals.to_arrow()
                copy = copy or copying.enter_context(pq.ParquetWriter(folder / "typed.parquet", table.schema))
                copy.write_table(table)
    typed = folder / "typed.parquet" if copy else path
    return PreparedSignals(typed if ordered else _sort(typed, folder), dict(rows))


def _sort(path: Path, folder: Path) -> Path:
    copy = folder / "sorted.parquet"
    pl.scan_parquet(path, hive_partitioning=False, glob=False).sort("session").sink_parquet(
        copy, row_group_size=ROWS_PER_GROUP
    )
    return copy


def submit_signals(home: Home, path: Path, session: date, seal: Callable[[datetime], object]) -> int:
    """Submit a session's signals, moving the clock to ten minutes before each deadline; return how many were taken.

    `seal` seals the submitted signals, at the time that it is given.

    Strategies that are paused or retired by then are passed over, as their owners would be refused. InputError for one
    that was never opened.
    """
    signals = (
        pl.scan_parquet(path, hive_partitioning=False, glob=False)
        .filter(pl.col("session") == session)
        .drop("session")
        .collect()
    )
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
    taken = sum(each.news for each in make_signals(home, session, home.clock.now()))
    if taken:
        seal(home.clock.now())
    return taken


def remaining_sessions(home: Home, since: date, until: date) -> list[date]:
    """List the sessions of a replay that are not settled yet: a replay goes on where it was stopped."""
    with home.ledger.read() as db:
        settled = settled_through(db)
    return [day for day in home.sessions.between(since, until) if settled is None or day > settled]


def set_clock(home: Home, session: date, wall_time: time) -> None:
    """Move the simulated clock to a wall-clock time of a session."""
    home.clock.set(at(session, wall_time))
