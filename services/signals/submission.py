"""Signals in the ledger: the one path on which a portfolio is submitted, and reading the revisions that count."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.domain.sessions import EXCHANGE_ZONE, Sessions
from countersign.domain.signals.payload import check_portfolios, encode_portfolios
from countersign.models.datasets import ColumnType
from countersign.models.errors import CountersignError, InputError
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.signals.acceptance import Receipt, SignalAcceptance, StrategyRef
from countersign.services.signals.owner_signatures import SignedSubmission
from countersign.store.ledger.chunks import chunked
from countersign.store.ledger.ledger import Ledger

MAX_SESSIONS_AHEAD = 20
REVISIONS: dict[str, ColumnType] = {
    "strategy": pl.String,
    "revision": pl.Int32,
    "portfolio": pl.String,
    "received_at": pl.Datetime("us", "UTC"),
    "deadline": pl.Datetime("us", "UTC"),
    "signal_hash": pl.String,
}


@dataclass(frozen=True)
class Submission:
    """One portfolio (symbol, weight) as it arrived: `received_at` is when its last byte had come.

    `owner_id` is the sender: for any other account the strategy does not exist.
    """

    strategy: str
    owner_id: int
    session: date
    portfolio: pl.DataFrame
    received_at: datetime
    signed: SignedSubmission | None = None


def submit(
    ledger: Ledger, sessions: Sessions, session: date, signals: pl.DataFrame, received_at: datetime
) -> list[Receipt]:
    """Record one portfolio for each strategy in `signals` (strategy, symbol, weight); all of them or none.

    A portfolio that differs from the newest one becomes the next revision. InputError for a portfolio or a session that
    is not one, RefusedError past a deadline or in the wrong state, ConflictError once the session is settled.
    """
    ordered = signals.sort("strategy", "symbol")  # sorting a sorted list again takes no time
    check_portfolios(ordered)
    _check_session(sessions, session, received_at)
    portfolios = encode_portfolios(ordered)
    with ledger.write() as db:
        strategies = _find_strategies(db, portfolios["strategy"].to_list())
        acceptance = SignalAcceptance(db, session, strategies.values())
        for slug, portfolio, count in portfolios.iter_rows():
            if slug not in strategies:
                raise _unknown(slug)
            acceptance.take(strategies[slug], portfolio, count, received_at)
        return acceptance.record()


def submit_each(
    ledger: Ledger, sessions: Sessions, submissions: Sequence[Submission]
) -> list[Receipt | CountersignError]:
    """Record submissions of many senders in one transaction, each with an outcome of its own, in the order given.

    They are taken in the order they were received, so that of two for the same session the later one counts. An error
    that `submit` would raise for one of them is its outcome, and keeps none of the others out.
    """
    outcomes: list[Receipt | CountersignError | None] = [None] * len(submissions)
    encoded: dict[int, tuple[str, int]] = {}
    for n, outcome in enumerate(_encode_each(sessions, submissions)):
        if isinstance(outcome, CountersignError):
            outcomes[n] = outcome
        else:
            encoded[n] = outcome
    order = sorted(encoded, key=lambda n: submissions[n].received_at)
    with ledger.write() as db:
        strategies = _find_strategies(db, sorted({submissions[n].strategy for n in order}))
        for session in sorted({submissions[n].session for n in order}):
            acceptance, taken = SignalAcceptance(db, session, strategies.values()), list[int]()
            for n in (n for n in order if submissions[n].session == session):
                sent = submissions[n]
                strategy = strategies.get(sent.strategy)
                try:
                    if strategy is None or strategy.owner_id != sent.owner_id:
                        raise _unknown(sent.strategy)
                    acceptance.take(strategy, *encoded[n], sent.received_at, sent.signed)
                    taken.append(n)
                except CountersignError as error:
                    outcomes[n] = error
            for n, receipt in zip(taken, acceptance.record(), strict=True):
                outcomes[n] = receipt
    return [outcome for outcome in outcomes if outcome is not None]


def _encode_each(sessions: Sessions, submissions: Sequence[Submission]) -> Iterator[tuple[str, int] | CountersignError]:
    """Check and encode each portfolio: all at once, and one by one only to find the faulty one."""
    named = [
        sent.portfolio.select(pl.lit(f"{n:08}").alias("strategy"), "symbol", "weight")
        for n, sent in enumerate(submissions)
    ]
    try:
        check_portfolios(pl.concat(named))
        faults: list[CountersignError | None] = [None] * len(named)
    except InputError:
        faults = [
            _fault(frame.with_columns(strategy=pl.lit(sent.strategy)))
            for frame, sent in zip(named, submissions, strict=True)
        ]
    good = [frame for frame, fault in zip(named, faults, strict=True) if fault is None]
    texts = encode_portfolios(pl.concat(good)).iter_rows() if good else iter(())
    for sent, fault in zip(submissions, faults, strict=True):
        if fault is not None:
            yield fault
            continue
        _, portfolio, count = next(texts)
        try:
            _check_session(sessions, sent.session, sent.received_at)
        except CountersignError as error:
            yield error
        else:
            yield portfolio, count


def _fault(signals: pl.DataFrame) -> CountersignError | None:
    try:
        check_portfolios(signals)
    except InputError as error:
        return error
    return None


def first_session(db: Session) -> date | None:
    """Return the first session that anybody ever signalled for, None before that."""
    return db.exec(select(func.min(Signal.session))).one()


def read_signals(db: Session, session: date, first_id: int, last_id: int) -> pl.DataFrame:
    """Read all revisions for a session of the strategies with ids in [first_id, last_id], by strategy and revision.

    Columns strategy, revision, portfolio, received_at, deadline, signal_hash.
    """
    rows = (
        db.connection()
        .execute(
            sa.select(
                col(Strategy.slug),
                col(Signal.revision),
                col(Signal.portfolio),
                col(Signal.received_at),
                col(Signal.deadline),
                col(Signal.signal_hash),
            )
            .join(Strategy, col(Strategy.id) == col(Signal.strategy_id))
            .where(col(Signal.session) == session, col(Signal.strategy_id).between(first_id, last_id))
            .order_by(col(Strategy.slug), col(Signal.revision))
        )
        .all()
    )
    return pl.DataFrame([tuple(row) for row in rows], schema=REVISIONS, orient="row")


def _check_session(sessions: Sessions, session: date, received_at: datetime) -> None:
    sessions.require(session)
    tomorrow = received_at.astimezone(EXCHANGE_ZONE).date() + timedelta(days=1)
    if len(sessions.between(tomorrow, session)) > MAX_SESSIONS_AHEAD:
        raise InputError("session", f"a session at most {MAX_SESSIONS_AHEAD} sessions ahead", session)


def _find_strategies(db: Session, slugs: list[str]) -> dict[str, StrategyRef]:
    columns = [col(getattr(Strategy, name)) for name in StrategyRef._fields]
    found: dict[str, StrategyRef] = {}
    for chunk in chunked(slugs):
        query = sa.select(*columns).where(col(Strategy.slug).in_(chunk))
        found |= {row.slug: StrategyRef(*row) for row in db.connection().execute(query)}
    return found


def _unknown(slug: str) -> InputError:
    return InputError("strategy", "the slug of a strategy", slug)
