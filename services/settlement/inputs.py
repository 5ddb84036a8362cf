"""Inputs of a settlement, read from ledger and lake: bars, marks, corporate actions, benchmarks and listings."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col

from countersign.domain.market.quotes import ACTIONS_SCHEMA, LISTINGS_SCHEMA
from countersign.domain.market.rules import Book, book_of
from countersign.domain.provenance import read_rows
from countersign.domain.settlement.books import BENCHMARKS_SCHEMA
from countersign.domain.settlement.delistings import DELISTINGS_SCHEMA
from countersign.domain.settlement.marks import newest_marks, next_marks
from countersign.models.datasets import BARS, INDEX_LEVELS, MARKS
from countersign.models.tables.lake import LakeFile
from countersign.models.tables.market import CorporateAction
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
