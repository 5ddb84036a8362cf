"""Instruments in the ledger: listings and delistings, and the symbols of instruments and bars."""

import logging
import threading
from collections.abc import Collection, Iterable
from datetime import date

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.domain.market.listings import INSTRUMENTS_SCHEMA, add_known, check_listings
from countersign.models.datasets import BARS, MARKS
from countersign.models.errors import CountersignError
from countersign.models.tables.lake import LakeFile
from countersign.models.tables.market import Instrument
from countersign.store.lake.lake import Lake
from countersign.store.ledger.chunks import chunked
from countersign.store.market import upsert

log = logging.getLogger("countersign.instruments")


def read_instruments(db: Session, symbols: Collection[str] | None = None) -> pl.DataFrame:
    """Read instruments (domain.market.listings.INSTRUMENTS_SCHEMA), by symbol; those of `symbols`, or all."""
    query = sa.select(*(col(getattr(Instrument, name)) for name in INSTRUMENTS_SCHEMA))
    if symbols is None:
        rows = list(db.execute(query))
    else:
        parts = (query.where(col(Instrument.symbol).in_(chunk)) for chunk in chunked(sorted(set(symbols))))
        rows = [row for part in parts for row in db.execute(part)]
    return pl.DataFrame([tuple(row) for row in rows], schema=INSTRUMENTS_SCHEMA, orient="row").sort("symbol")


def delisted_without_value(db: Session, session: date) -> list[str]:
    """List the symbols that are delisted at `session` without a known value of a share, ascending."""
    query = sa.select(col(Instrument.symbol)).where(
        col(Instrument.delisted) <= session,
        col(Instrument.delisting_cash).is_(None),
        col(Instrument.successor).is_(None),
    )
    return sorted(db.execute(query).scalars())


def put_instruments(db: Session, listings: pl.DataFrame) -> int:
    """Add listings to the known instruments; return how many instruments are new or different.

    InputError, and nothing is changed, where the two together make a listing that ends before it begins.
    """
    whole = add_known(listings, read_instruments(db))
    check_listings(whole)
    return upsert(db, Instrument, whole)


class KnownSymbols:
    """The symbols of all instruments and bars, kept in memory for many threads; a known symbol stays known."""

    def __init__(self, lake: Lake) -> None:
        self._lake, self._lock = lake, threading.Lock()
        self._newest_file, self._instruments = 0, 0
        self._symbols: frozenset[str] | None = None

    def refresh(self) -> None:
        """Read the symbols that came since the last time. An unreadable file is logged: no submission fails for it."""
        with self._lock:
            try:
                self._refresh()
            except (CountersignError, pl.exceptions.PolarsError, sa.exc.SQLAlchemyError) as error:
                log.warning("the known symbols cannot be read: %s", error)

    def strangers(self, symbols: Iterable[str]) -> list[str]:
        """Return the unknown ones of `symbols`, ascending; none before the known ones could be read."""
        known = self._symbols
        return [] if known is None else sorted(set(symbols) - known)

    def _refresh(self) -> None:
        with self._lake.ledger.read() as db:
            newest = db.execute(sa.select(func.max(col(LakeFile.id)))).scalar() or 0
            count = db.execute(sa.select(func.count(col(Instrument.symbol)))).scalar() or 0
            if self._symbols is not None and (newest, count) == (self._newest_file, self._instruments):
                return
            found = set(db.execute(sa.select(col(Instrument.symbol))).scalars())
            files = _new_files(db, self._newest_file)
        for dataset in (BARS, MARKS):
            ours = [file for file in files if file.dataset == dataset.name]
            symbols = self._lake.scan_files(dataset, ours).select(pl.col("symbol").unique()).collect()
            found.update(symbols.get_column("symbol"))
        self._symbols = frozenset(found).union(self._symbols or ())
        self._newest_file, self._instruments = newest, count


def _new_files(db: Session, after_id: int) -> list[LakeFile]:
    """List the files of bars after a row of the lake; at first the newest marks have the symbols of all bars before."""
    counts = (col(LakeFile.superseded_at).is_(None), LakeFile.id > after_id)
    bars = select(LakeFile).where(LakeFile.dataset == BARS.name, *counts)
    if after_id:
        return list(db.exec(bars))
    marks = select(LakeFile).where(LakeFile.dataset == MARKS.name, *counts)
    newest = db.exec(marks.order_by(col(LakeFile.session).desc()).limit(1)).first()
    if newest is None:
        return list(db.exec(bars))
    return [newest, *db.exec(bars.where(LakeFile.session > newest.session))]
