"""Outcomes of external signals in the ledger: signals to judge, decided outcomes, and each source's record."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col, func

from countersign.domain.external.shares import Share, share
from countersign.models.klines import market_of
from countersign.models.tables.external import ExternalOutcome, ExternalSignal, Source
from countersign.store.ledger.chunks import chunked
from countersign.store.ledger.ledger import Ledger

TIME = pl.Datetime("us", "UTC")
TIMES = ("entered_at", "stopped_at", "target1_at", "target2_at", "target3_at", "closed_at")
VERDICT: dict[str, Any] = {"outcome": pl.String, "r_multiple": pl.Float64, **dict.fromkeys(TIMES, TIME)}
# Columns of an outcome: its signal, its klines, its verdict.
OUTCOME = {"signal_id": pl.Int64, "series": pl.String, **VERDICT}
PRICES = ("entry_low", "entry_high", "stop_loss", "target1", "target2", "target3")
JUDGED: dict[str, Any] = {
    "signal_id": pl.Int64,
    "market": pl.String,
    "known_at": TIME,
    "direction": pl.String,
    **dict.fromkeys(PRICES, pl.Float64),
}
ROWS_AT_ONCE = 20_000
# Longer than a signal waits for its entry, and the longest bar: the bars of an expired outcome end before.
EXPIRED_RESTS_ON = timedelta(hours=48)
TARGETS = ("target1", "target2", "target3")
# Condition that an outcome is final: more bars do not change it.
FINAL = pl.col("outcome").is_in(["expired", "invalid"]) | pl.col("closed_at").is_not_null()


def read_undecided(ledger: Ledger, markets: Collection[str]) -> pl.DataFrame:
    """Read the revisions of these markets' signals that are not finally decided, columns as in JUDGED.

    Each counts from when its source published it, but not from before it reached us: a signal that a feed dates back,
    or changes once the market has moved, wins nothing. Prices become floats here, and only here.
    """
    parts = [pl.DataFrame(schema=JUDGED)]
    with ledger.read() as db:
        said = _words(db, markets)
    after = 0
    while said:
        with ledger.read() as db:
            rows = db.execute(_undecided(list(said), after)).all()
        if not rows:
            break
        after = rows[-1][0]
        table = [(row[0], said[tuple(row[1:4])], max(row[4:6]), *row[6:]) for row in rows]
        texts = {name: pl.String if name in PRICES else dtype for name, dtype in JUDGED.items()}
        frame = pl.DataFrame(table, schema=texts, orient="row")
        parts.append(frame.with_columns(pl.col(PRICES).cast(pl.Float64)))
    return pl.concat(parts)


def put_outcomes(db: Session, outcomes: pl.DataFrame, now: datetime) -> int:
    """Make the ledger hold these outcomes (columns as in OUTCOME); return how many were new or different.

    One is final once it is closed, expired, or can be none at all: `now` is when that was decided.
    """
    judged = outcomes.with_columns(final=FINAL)
    known = _read(db, outcomes["signal_id"].to_list())
    same = judged.join(known, on=judged.columns, how="semi", nulls_equal=True)
    fresh = judged.join(same, on="signal_id", how="anti")
    if fresh.height:
        own = {"change": newest_change(db) + 1}  # before the rows go that may have the newest
        for chunk in chunked(fresh["signal_id"].to_list()):
            db.execute(sa.delete(ExternalOutcome).where(col(ExternalOutcome.signal_id).in_(chunk)))
        rows = [row | own | {"decided_at": now if row.pop("final") else None} for row in fresh.iter_rows(named=True)]
        db.execute(sa.insert(ExternalOutcome), rows)
    return fresh.height


def reopen(db: Session, series: str, since: datetime, until: datetime) -> int:
    """Reopen outcomes by a series that rest on bars opened from `since` to `until`; return how many."""
    published, received = col(ExternalSignal.published_at), col(ExternalSignal.received_at)
    earliest = since - EXPIRED_RESTS_ON
    expired = (col(ExternalOutcome.outcome) == "expired") & ((published >= earliest) | (received >= earliest))
    found = sa.select(col(ExternalSignal.id)).where(
        col(ExternalSignal.id) == col(ExternalOutcome.signal_id),
        (col(ExternalOutcome.closed_at) >= since) | expired,
        published <= until,
        received <= until,
    )
    update = sa.update(ExternalOutcome).where(
        col(ExternalOutcome.series) == series, col(ExternalOutcome.decided_at).is_not(None), found.exists()
    )
    values = {"decided_at": None, "change": newest_change(db) + 1}
    return len(db.execute(update.values(values).returning(col(ExternalOutcome.signal_id))).all())


def read_changes(db: Session, columns: Sequence[str], after: int) -> list[sa.Row[Any]]:
    """List the outcomes changed after a number: the signal's id, and these columns; nulls where not final."""
    is_final = col(ExternalOutcome.decided_at).is_not(None)
    shown = (sa.case((is_final, getattr(ExternalOutcome, name))) for name in columns)
    query = sa.select(col(ExternalOutcome.signal_id), *shown).where(col(ExternalOutcome.change) > after)
    return list(db.execute(query.order_by(col(ExternalOutcome.signal_id))))


def newest_change(db: Session) -> int:
    """Return the number of the newest change; 0 before any."""
    return int(db.execute(sa.select(func.max(ExternalOutcome.change))).scalar() or 0)


def read_records(db: Session) -> dict[str, dict[str, Any]]:
    """Read the record of each source's signals, as first seen; sources without an outcome are missing."""
    closed = col(ExternalOutcome.closed_at).is_not(None) & col(ExternalOutcome.decided_at).is_not(None)
    expired = (col(ExternalOutcome.outcome) == "expired") & col(ExternalOutcome.decided_at).is_not(None)
    counts: dict[str, Any] = {
        "judged": sa.literal(value=True),
        "invalid": col(ExternalOutcome.outcome) == "invalid",
        "pending": col(ExternalOutcome.outcome) == "pending",
        "expired": expired,
        "closed": closed,
        "stopped": closed & col(ExternalOutcome.stopped_at).is_not(None),
    }
    for name in TARGETS:
        counts[f"{name}_named"] = closed & getattr(ExternalSignal, name).is_not(None)
        counts[f"{name}_hit"] = closed & getattr(ExternalOutcome, f"{name}_at").is_not(None)
    sums = [func.sum(sa.case((condition, 1), else_=0)).label(name) for name, condition in counts.items()]
    mean = func.avg(sa.case((closed, ExternalOutcome.r_multiple))).label("mean_r")
    query = (
        sa.select(col(Source.name), mean, *sums)
        .join(ExternalSignal, col(ExternalSignal.source_id) == col(Source.id))
        .join(ExternalOutcome, col(ExternalOutcome.signal_id) == col(ExternalSignal.id))
        .where(col(ExternalSignal.revision) == 1)
        .group_by(col(Source.name))
    )
    return {row["name"]: _record(dict(row)) for row in db.execute(query).mappings()}


def no_record() -> dict[str, Any]:
    """The record of a source without an outcome."""
    names = ("judged", "invalid", "pending", "expired", "closed", "stopped")
    hits = (f"{name}_{what}" for name in TARGETS for what in ("named", "hit"))
    return _record(dict.fromkeys((*names, *hits), 0) | {"mean_r": None})


def _record(row: dict[str, Any]) -> dict[str, Any]:
    decided = row["closed"] + row["expired"]
    shares: dict[str, Share] = {
        "expired_rate": share(row["expired"], decided),
        "stop_rate": share(row["stopped"], row["closed"]),
        **{f"{name}_rate": share(row[f"{name}_hit"], row[f"{name}_named"]) for name in TARGETS},
    }
    return {
        **{name: row[name] for name in ("judged", "invalid", "pending", "expired", "closed")},
        "open": row["judged"] - row["invalid"] - row["pending"] - decided,
        "mean_r": row["mean_r"],
        **{name: each._asdict() for name, each in shares.items()},
    }


def _words(db: Session, markets: Collection[str]) -> dict[tuple[str, ...], str]:
    """Spellings by feeds of the exchanges and pairs of these markets."""
    columns = [col(getattr(ExternalSignal, name)) for name in ("exchange", "coin", "currency")]
    found = {tuple(row): market_of(*row) for row in db.execute(sa.select(*columns).distinct())}
    return {words: market for words, market in found.items() if market in markets}


def _undecided(said: list[tuple[str, ...]], after: int) -> Any:
    words = [col(getattr(ExternalSignal, name)) for name in ("exchange", "coin", "currency")]
    columns = [col(getattr(ExternalSignal, name)) for name in ("published_at", "received_at", "direction", *PRICES)]
    decided = sa.select(col(ExternalOutcome.signal_id)).where(
        col(ExternalOutcome.signal_id) == col(ExternalSignal.id), col(ExternalOutcome.decided_at).is_not(None)
    )
    return (
        sa.select(col(ExternalSignal.id), *words, *columns)
        .where(col(ExternalSignal.id) > after, sa.tuple_(*words).in_(said), ~decided.exists())
        .order_by(col(ExternalSignal.id))
        .limit(ROWS_AT_ONCE)
    )


def _read(db: Session, signal_ids: list[int]) -> pl.DataFrame:
    """Outcomes in the ledger, columns as in OUTCOME, and whether each is final."""
    columns = [*(col(getattr(ExternalOutcome, name)) for name in OUTCOME), col(ExternalOutcome.decided_at).is_not(None)]
    rows: list[tuple[Any, ...]] = []
    for chunk in chunked(signal_ids):
        query = sa.select(*columns).where(col(ExternalOutcome.signal_id).in_(chunk))
        rows += [tuple(row) for row in db.execute(query)]
    return pl.DataFrame(rows, schema=OUTCOME | {"final": pl.Boolean}, orient="row")
