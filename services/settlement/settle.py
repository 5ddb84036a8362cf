"""Settlement: plan a session, settle chunks of strategies, commit the whole session at once.

Settling again, after a crash or by hand, is the same calls with the same arguments: it writes the same names with the
same bytes, and a settled session is only ever found equal, never changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import orjson
import polars as pl

from countersign.domain.provenance import manifest, object_sha256
from countersign.domain.settlement.books import SIGNALS_SCHEMA
from countersign.domain.settlement.engine import Settled, settle
from countersign.domain.signals.payload import decode_portfolios
from countersign.models.datasets import MARKS, NAV, ORDERS, POSITIONS, SIGNALS, Dataset
from countersign.models.enums import DELISTED, Event
from countersign.models.errors import ConflictError, StoreError
from countersign.models.quality import Finding
from countersign.models.tables.settlement import Settlement
from countersign.services.notifications.notifications import notify, resolve
from countersign.services.settlement.corrections import nav_of_both, record_correction
from countersign.services.settlement.inputs import marks_after, read_market
from countersign.services.settlement.planning import (
    all_inputs,
    market_as_settled,
    market_now,
    read_ledger_inputs,
    version_of,
)
from countersign.services.settlement.settled import due_sessions, settlement_of
from countersign.services.settlement.terms import read_terms
from countersign.services.signals.submission import read_signals
from countersign.store.clock import wall_clock
from countersign.store.home import Home
from countersign.store.lake.lake import StagedFile

# Datasets that settling a session writes: a new version replaces all of them, though it may have no rows of one.
RESULTS = (SIGNALS, ORDERS, POSITIONS, NAV, MARKS)
# The chunk size is part of the bytes: a chunk is a file. Strategies fall into chunks by id, so growth never moves one.
STRATEGIES_PER_CHUNK = 2_000


@dataclass(frozen=True)
class Plan:
    """Plan of settling a session. `run` is the hash of `inputs`; the files it writes are named by it."""

    session: date
    version: int
    run: str
    inputs: dict[str, Any]
    previous: date | None
    chunks: tuple[int, ...]
    began_at: datetime = field(compare=False)


@dataclass(frozen=True)
class OnHold:
    """A session that cannot be settled yet, and why."""

    session: date
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Chunk:
    """Outcome of one chunk of strategies: its staged files, and figures for the operator."""

    files: tuple[StagedFile, ...]
    strategies: int
    rebalanced: int
    orders: int
    refused: dict[str, int]
    best: tuple[float, str] | None
    worst: tuple[float, str] | None


def find_due_sessions(home: Home, through: date) -> list[date]:
    """List the sessions up to `through` that wait to be settled, oldest first."""
    with home.ledger.read() as db:
        return due_sessions(db, home.sessions, through)


def plan_session(home: Home, session: date, *, correct: bool = False) -> Plan | OnHold:
    """Decide whether a session can be settled, and name all inputs.

    A settled session takes the market that it was settled with, or with `correct` the one that counts now. If that
    market, or the settled session before it, has changed since, it is planned as a new version. ConflictError if
    anything else differs.
    """
    began_at = wall_clock()
    known = read_ledger_inputs(home, session)
    if known.settled and not correct:
        market = market_as_settled(home, known)
    else:
        market, faults = market_now(home, session, known)
        if faults:
            return _hold(home, session, faults, first=known.settled is None)
    inputs = all_inputs(home, session, known, market)
    version, correction = version_of(session, known, inputs, correct=correct)
    if correction:
        inputs["corrected"] = correction
    run = object_sha256({"session": session.isoformat(), "version": version, "inputs": inputs})
    chunks = tuple(range(known.last_id // STRATEGIES_PER_CHUNK + 1))
    return Plan(session, version, run, inputs, known.previous, chunks, began_at)


def settle_chunk(home: Home, plan: Plan, n: int) -> Chunk:
    """Settle the strategies of one chunk and stage the files; nothing counts before `commit_session`."""
    first, last = n * STRATEGIES_PER_CHUNK, (n + 1) * STRATEGIES_PER_CHUNK - 1
    with home.ledger.read() as db:
        terms = read_terms(db, plan.session, first, last)
        revisions = read_signals(db, plan.session, first, last)
    market = read_market(home.lake, plan.session, plan.previous, plan.inputs)
    newest = pl.col("revision") == pl.col("revision").max().over("strategy")
    # The newest revision counts even if its content is lost: the one it replaced never counts again.
    expanded = decode_portfolios(revisions.with_columns(newest.alias("newest")).filter(pl.col("portfolio") != ""))
    # A strategy that signalled ahead and then retired has no terms any more: kept on record, and nothing to settle.
    ours = pl.col("strategy").is_in(terms["strategy"].implode())
    counting = expanded.filter(ours, "newest")
    settled = settle(
        plan.session,
        terms=terms,
        books=_previous(home, plan, NAV, terms),
        holdings=_previous(home, plan, POSITIONS, terms),
        signals=counting.select(*SIGNALS_SCHEMA),
        bars=market.bars,
        marks=market.marks,
        actions=market.actions,
        benchmarks=market.benchmarks,
        listings=market.listings,
        delistings=market.delistings,
        book=market.book,
    )
    signals = expanded.with_columns(
        pl.lit(plan.session).alias("session"),
        ((pl.col("deadline") - pl.col("received_at")).dt.total_microseconds() / 1e6).alias("margin_seconds"),
    ).select(*SIGNALS.schema)
    frames = ((SIGNALS, signals), (ORDERS, settled.orders), (POSITIONS, settled.positions), (NAV, settled.nav))
    files = [home.lake.stage(kind, plan.session, frame, plan.run[:16], n) for kind, frame in frames if frame.height]
    if n == plan.chunks[0]:
        # The marks are the session's, not a chunk's; the first chunk has their inputs at hand.
        files.append(home.lake.stage(MARKS, plan.session, marks_after(market, plan.session), plan.run[:16]))
    return _summary(tuple(files), settled)


def commit_session(home: Home, plan: Plan, chunks: Sequence[Chunk]) -> bool:
    """Make a session's results count, all at once; return whether it was new.

    StoreError if the session was settled before with other bytes: the engine or a library has changed its arithmetic.
    """
    files = [file for chunk in chunks for file in chunk.files]
    written = [{"path": file.path, "rows": file.rows, "sha256": file.sha256} for file in files]
    record = manifest(plan.session.isoformat(), plan.version, plan.inputs, written).decode()
    now = home.clock.now()
    corrected = nav_of_both(home.lake, plan.session, files) if plan.version > 1 else None
    with home.ledger.write() as db:
        found = settlement_of(db, plan.session)
        if found and found.version == plan.version:
            if found.manifest != record:
                raise StoreError(
                    f"{plan.session}: settling again gave other bytes than the settled ones; nothing was changed"
                )
            return False
        if plan.version != (found.version if found else 0) + 1:
            raise ConflictError(f"{plan.session}: another version was settled meanwhile; nothing was changed")
        home.lake.commit(db, files, now, emptied=[(dataset.name, plan.session) for dataset in RESULTS])
        if found and corrected:
            record_correction(db, found, plan.inputs, *corrected, now)
        db.add(
            Settlement(
                session=plan.session,
                version=plan.version,
                run=plan.run,
                strategies=sum(chunk.strategies for chunk in chunks),
                bars_sha256=plan.inputs["bars"],
                rules_sha256=plan.inputs["rules"],
                manifest=record,
                manifest_sha256=object_sha256(orjson.loads(record)),
                settled_at=now,
                seconds=(wall_clock() - plan.began_at).total_seconds(),
            )
        )
        resolve(db, _held_key(plan.session), now)
    return True


def _hold(home: Home, session: date, faults: Sequence[Finding], *, first: bool) -> OnHold:
    """Hold a session. Of its `first` settlement the operator is notified; a correction answers the operator itself."""
    reasons = tuple(f"{fault.rule}: {fault.detail}" for fault in faults)
    if first:
        with home.ledger.write() as db:
            text = f"{session} is not settled: {'; '.join(reasons)}"
            notify(db, _held_key(session), "settlement held", text, home.clock.now())
    return OnHold(session, reasons)


def _held_key(session: date) -> str:
    return f"held {session}"


def _previous(home: Home, plan: Plan, dataset: Dataset, terms: pl.DataFrame) -> pl.DataFrame:
    if plan.previous is None:
        return pl.DataFrame(schema=dataset.schema)
    rows = home.lake.scan(dataset, plan.previous, plan.previous)
    if len(plan.chunks) > 1:  # settlement passes over strategies that are not in the terms; with one chunk they are few
        rows = rows.filter(pl.col("strategy").is_in(terms["strategy"].implode()))
    return rows.collect()


def _summary(files: tuple[StagedFile, ...], settled: Settled) -> Chunk:
    refused = settled.orders.filter(pl.col("reason") != DELISTED)["reason"].value_counts(sort=True)
    ranked = settled.nav.drop_nulls("daily_return").sort("daily_return", "strategy").select("daily_return", "strategy")
    return Chunk(
        files=files,
        strategies=settled.nav.height,
        rebalanced=settled.nav.filter(pl.col("event") == Event.REBALANCE).height,
        orders=settled.orders.height,
        refused=dict(refused.iter_rows()),
        best=ranked.row(-1) if ranked.height else None,
        worst=ranked.row(0) if ranked.height else None,
    )
