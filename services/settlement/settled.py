"""Settlement in the stores: the settled sessions, the next one, and the inputs of settling it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.domain.market.quotes import ACTIONS_SCHEMA, LISTINGS_SCHEMA
from countersign.domain.market.rules import Book, book_of
from countersign.domain.provenance import read_rows
from countersign.domain.sessions import Sessions
from countersign.domain.settlement.books import BENCHMARKS_SCHEMA
from countersign.domain.settlement.delistings import DELISTINGS_SCHEMA
from countersign.domain.settlement.marks import newest_marks, next_marks
from countersign.models.datasets import BARS, INDEX_LEVELS, MARKS
from countersign.models.tables.lake import LakeFile
from countersign.models.tables.market import CorporateAction
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.signals.submission import first_session
from countersign.store.lake.lake import Lake


@dataclass(frozen=True)
class Market:
    """One session's market, as settlement takes it."""

    bars: pl.DataFrame
    marks: pl.DataFrame
    actions: pl.DataFrame
    benchmarks: pl.DataFrame
    listings: pl.DataFrame
    delistings: pl.DataFrame
    book: Book


def settlement_of(db: Session, session: date | None) -> Settlement | None:
    """Return the newest version of a session's settlement, None while it is not settled."""
    query = select(Settlement).where(Settlement.session == session).order_by(col(Settlement.version).desc())
    return db.exec(query).first()


def settled_before(db: Session, sessions: Sessions, session: date) -> date | None:
    """Return the session before this one if it is settled, else None: settling this one rests on it."""
    before = sessions.previous(session)
    return before if settlement_of(db, before) else None


def settled_through(db: Session) -> date | None:
    """Return the newest settled session. Sessions are settled in order, so everything due before it is settled too."""
    return db.exec(select(func.max(Settlement.session))).one()


def consistent_through(db: Session) -> date | None:
    """Return the session that was settled last: up to it, each session rests on the newest version of the one before.

    Later settled sessions rest on versions that a correction replaced since. They are settled again in their order, so
    the correction is complete once the last one settled is the newest one, as it always is without corrections.
    """
    return db.exec(select(col(Settlement.session)).order_by(col(Settlement.id).desc()).limit(1)).first()


def correction_under_way(db: Session) -> bool:
    """Whether settled sessions wait to be settled again, on a corrected one."""
    return consistent_through(db) != settled_through(db)


def due_sessions(db: Session, sessions: Sessions, through: date) -> list[date]:
    """List the sessions up to `through` that wait to be settled, oldest first: from the first one with a signal on.

    After a correction, the settled sessions behind it wait again.
    """
    settled = consistent_through(db)
    since = sessions.next(settled) if settled else first_session(db)
    if since is None or since > through:
        return []
    return sessions.between(since, through)


def last_strategy_id(db: Session) -> int:
    """Return the highest id of any strategy that was ever activated, 0 before that."""
    return db.exec(select(func.max(Strategy.id)).where(col(Strategy.activated_at).is_not(None))).one() or 0


def signal_hashes(db: Session, session: date) -> list[str]:
    """List the hashes of all signals for a session, in one order for ever."""
    query = sa.select(col(Signal.signal_hash)).where(col(Signal.session) == session)
    return list(db.connection().execute(query.order_by(col(Signal.strategy_id), col(Signal.revision))).scalars())


def read_actions(db: Session, session: date) -> pl.DataFrame:
    """Read the corporate actions whose ex-session this is: symbol, cash (CNY), bonus (new shares), for each share."""
    query = sa.select(col(CorporateAction.symbol), col(CorporateAction.cash), col(CorporateAction.bonus))
    rows = db.execute(query.where(col(CorporateAction.session) == session).order_by(col(CorporateAction.symbol))).all()
    return pl.DataFrame([tuple(row) for row in rows], schema=ACTIONS_SCHEMA, orient="row")


def read_files(lake: Lake, dataset: Any, paths: list[str]) -> pl.DataFrame:
    """Read files by their paths, superseded ones too: a settled session keeps the inputs it was settled with."""
    return lake.read_files(dataset, lake.named(paths))


def files_before(lake: Lake, session: date) -> list[LakeFile]:
    """List the committed files of bars of earlier sessions."""
    return [file for file in lake.files(BARS, through=session) if file.session < session]


def read_marks(
    lake: Lake,
    previous: date | None,
    session: date,
    files: Sequence[LakeFile] | None = None,
    book: Book = Book.CURRENT,
) -> pl.DataFrame:
    """Read the newest bar of each symbol before `session`: as settling `previous` left it, else from all bars.

    `files` are the files of those bars, where they are not the ones that count now.
    """
    if previous is not None:
        return lake.read(MARKS, previous)
    earlier = files_before(lake, session) if files is None else files
    return newest_marks(lake.scan_files(BARS, earlier), book).collect()


def read_benchmarks(lake: Lake, paths: list[str], session: date) -> pl.DataFrame:
    """Read each universe's close-to-close return at `session`; null where the level before is not known."""
    levels = read_files(lake, INDEX_LEVELS, paths)
    before = levels.filter(pl.col("session") < session).group_by("index").agg(pl.col("close").last().alias("before"))
    today = levels.filter(pl.col("session") == session).join(before, on="index", how="left")
    returns = today.select(universe="index", benchmark_return=pl.col("close") / pl.col("before") - 1)
    return returns.cast(pl.Schema(BENCHMARKS_SCHEMA)).sort("universe")


def read_market(lake: Lake, session: date, previous: date | None, inputs: dict[str, Any]) -> Market:
    """Read the market of a session as settlement takes it.

    `inputs` are those of its plan: corporate actions, listings and delistings themselves, and the names of the files of
    bars and levels.
    """
    book = book_of(inputs["rules"], session) or Book.CURRENT
    earlier = lake.named(inputs["earlier_bars_files"])
    return Market(
        bars=read_files(lake, BARS, inputs["bars_files"]),
        marks=read_marks(lake, previous, session, earlier, book),
        actions=read_rows(inputs["actions"], ACTIONS_SCHEMA),
        benchmarks=read_benchmarks(lake, inputs["index_files"], session),
        listings=read_rows(inputs.get("listings", []), LISTINGS_SCHEMA),
        delistings=read_rows(inputs.get("delistings", []), DELISTINGS_SCHEMA),
        book=book,
    )


def marks_after(market: Market, session: date) -> pl.DataFrame:
    """Return the marks that this session leaves to the next."""
    return next_marks(session, market.marks, market.bars, market.actions, market.book)


def settlement_of_version(db: Session, session: date, version: int) -> Settlement | None:
    """Return the settlement of a session if it is that version, else None."""
    return db.exec(select(Settlement).where(Settlement.session == session, Settlement.version == version)).first()
