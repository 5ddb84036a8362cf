"""Listings and delistings of one session, as settlement takes them: from instruments, and from first bars.

Where the instruments say nothing of a symbol, its first bar after the lake's first session is taken for its listing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.domain.market.quotes import LISTINGS_SCHEMA
from countersign.domain.market.rules import MOST_FREE_SESSIONS
from countersign.domain.provenance import write_rows
from countersign.domain.sessions import Sessions
from countersign.domain.settlement.delistings import DELISTINGS_SCHEMA
from countersign.models.datasets import BARS, MARKS, POSITIONS
from countersign.models.tables.lake import LakeFile
from countersign.models.tables.market import Instrument
from countersign.store.lake.lake import Lake
from countersign.store.ledger.chunks import chunked


@dataclass(frozen=True)
class ListingEvidence:
    """Symbols in their first sessions, holdings whose exchange is due, and the source of each.

    `listings` and `delistings` as domain.market.quotes and domain.settlement.delistings have them; `presumed` are the
    listings that rest on a first bar alone; `held` the symbols that positions hold.
    """

    listings: pl.DataFrame
    delistings: pl.DataFrame
    presumed: tuple[str, ...]
    held: frozenset[str]

    def inputs(self) -> dict[str, list[list[str]]]:
        """Return the evidence as inputs of a manifest."""
        frames = {"listings": self.listings, "delistings": self.delistings}
        return {name: write_rows(frame) for name, frame in frames.items() if frame.height}


def read_evidence(
    lake: Lake, sessions: Sessions, session: date, previous: date | None, bars: pl.DataFrame
) -> ListingEvidence:
    """Read the evidence known at `session`, whose bars are `bars`; `previous` is the session before it, if settled."""
    held = frozenset[str]()
    if previous is not None:
        positions = lake.scan(POSITIONS, previous, previous).select(pl.col("symbol").unique()).collect()
        held = frozenset(positions["symbol"])
    window = sessions.between(sessions.days[0], session)[-MOST_FREE_SESSIONS:]
    # A listing that is dated on a day without a session begins with the next one.
    since = (sessions.previous(window[0]) or date.min) + timedelta(days=1)
    first = _first_bars(lake, sessions, window, bars)
    with lake.ledger.read() as db:
        said = _said_listed(db, since, session, first)
        gone = _delisted(db, session, held)
    listed = {symbol: day for symbol, day in (first | said).items() if day >= since}
    rows = [(symbol, day, sum(each >= day for each in window)) for symbol, day in sorted(listed.items())]
    return ListingEvidence(
        listings=pl.DataFrame(rows, schema=LISTINGS_SCHEMA, orient="row"),
        delistings=pl.DataFrame(gone, schema=DELISTINGS_SCHEMA, orient="row"),
        presumed=tuple(sorted(listed.keys() - said.keys())),
        held=held,
    )


def _first_bars(lake: Lake, sessions: Sessions, window: list[date], bars: pl.DataFrame) -> dict[str, date]:
    """Symbols with a bar in the last session of `window` and none before it, and the session of their first bar."""
    begun = _first_session(lake)
    if begun is None:
        return {}
    today = bars.filter(pl.col("close") > 0)["symbol"]
    fresh = today.filter(~today.is_in(_known_before(lake, sessions, window[0], begun).implode()))
    if fresh.is_empty():
        return {}
    seen = lake.scan(BARS, window[0], window[-1]).filter(pl.col("close") > 0, pl.col("symbol").is_in(fresh.implode()))
    first = seen.group_by("symbol").agg(pl.col("session").min()).filter(pl.col("session") > begun)
    return dict(first.collect().iter_rows())


def _known_before(lake: Lake, sessions: Sessions, day: date, begun: date) -> pl.Series:
    """Symbols with a bar before `day`: as settlement remembers them, else from the bars themselves."""
    before = sessions.previous(day)
    if before is None or before < begun:
        return pl.Series("symbol", [], pl.String)
    marks = lake.files(MARKS, before, before)
    if marks:
        return lake.scan_files(MARKS, marks).select("symbol").collect()["symbol"]
    earlier = lake.scan(BARS, through=before).filter(pl.col("close") > 0)
    return earlier.select(pl.col("symbol").unique()).collect()["symbol"]


def _first_session(lake: Lake) -> date | None:
    query = select(func.min(LakeFile.session)).where(
        LakeFile.dataset == BARS.name, col(LakeFile.superseded_at).is_(None)
    )
    with lake.ledger.read() as db:
        return db.exec(query).one()


def _said_listed(db: Session, since: date, through: date, symbols: Collection[str]) -> dict[str, date]:
    """When instruments were listed: those listed from `since` on, and of `symbols` all that are known.

    A listing dated later than the first bar is another instrument's: codes are given anew.
    """
    columns = sa.select(col(Instrument.symbol), col(Instrument.listed))
    recent = columns.where(col(Instrument.listed).between(since, through))
    said: dict[str, date] = dict(db.execute(recent).tuples().all())
    for chunk in chunked(sorted(symbols)):
        some = col(Instrument.symbol).in_(chunk)
        said |= dict(db.execute(columns.where(some, col(Instrument.listed) <= through)).tuples().all())
    return said


def _delisted(db: Session, session: date, held: Collection[str]) -> list[tuple[Any, ...]]:
    """Held instruments that are no longer listed: symbol, cash, successor, ratio."""
    query = sa.select(
        col(Instrument.symbol),
        col(Instrument.delisting_cash),
        col(Instrument.successor),
        col(Instrument.successor_ratio),
    ).where(col(Instrument.delisted) <= session)
    rows = db.execute(query.order_by(col(Instrument.symbol))).all()
    return [tuple(row) for row in rows if row[0] in held]
