"""Outcomes: judges every external signal that is not finally decided, by the klines that the lake has."""

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl
from sqlmodel import Session

from countersign.domain.external.outcomes import judge
from countersign.models.datasets import KLINES
from countersign.models.klines import KlineSeries
from countersign.models.tables.lake import LakeFile
from countersign.services.external.klines import kline_files, list_series
from countersign.services.external.outcomes import FINAL, OUTCOME, put_outcomes, read_undecided
from countersign.store.home import Home

Files = dict[KlineSeries, list[LakeFile]]


@dataclass(frozen=True)
class Judged:
    """Counts of a market's signals: those judged, and the outcomes that are new or different."""

    market: str
    signals: int
    changed: int


def judge_signals(home: Home, now: datetime) -> list[Judged]:
    """Judge undecided signals, a market (an exchange's pair) at a time. Signals without klines of theirs wait.

    No other exchange's klines stand in for missing ones. Safe to repeat, and beside imports and other runs.
    """
    with home.ledger.read() as db:
        markets = {each.market for each in list_series(db)}
    undecided = read_undecided(home.ledger, markets)
    by_market = undecided.sort("market", "signal_id").partition_by("market", as_dict=True)
    return [
        Judged(str(market), signals.height, _judge_market(home, str(market), signals, now))
        for (market,), signals in by_market.items()
    ]


def _judge_market(home: Home, market: str, signals: pl.DataFrame, now: datetime) -> int:
    # Bars that open before a signal is known say nothing.
    since = signals["known_at"].dt.date().min()
    while True:
        with home.ledger.read() as db:
            files = _files(db, market, since)  # type: ignore[arg-type]
        outcomes = _verdicts(home, files, signals)
        with home.ledger.write() as db:
            # An import meanwhile has reopened outcomes that it changes, and these verdicts do not know its bars.
            if _paths(_files(db, market, since)) == _paths(files):  # type: ignore[arg-type]
                return put_outcomes(db, outcomes, now)


def _files(db: Session, market: str, since: date) -> Files:
    """The files of a market's series, the finest first."""
    return {each: kline_files(db, each, since) for each in list_series(db) if each.market == market}


def _paths(files: Files) -> dict[str, list[str]]:
    return {series.name: [file.path for file in its] for series, its in files.items()}


def _verdicts(home: Home, files: Files, signals: pl.DataFrame) -> pl.DataFrame:
    """Judge each signal by the finest series that decides it; where none does, the finest that knows of it speaks."""
    parts, left = [], signals
    for series, its in files.items():
        verdicts = judge(left, home.lake.read_files(KLINES, its), series.step)
        named = left.select("signal_id", series=pl.lit(series.name)).hstack(verdicts).select(*OUTCOME)
        parts.append(named)
        left = left.join(named.filter(FINAL), on="signal_id", how="anti", maintain_order="left")
    tried = pl.concat(parts).sort(FINAL, pl.col("outcome") != "pending", descending=True, maintain_order=True)
    return tried.unique("signal_id", keep="first", maintain_order=True)
