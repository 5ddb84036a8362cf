"""Signals in the ledger: the one path on which a portfolio is submitted, and how the counting revisions are read."""

import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from domain.sessions import EXCHANGE_ZONE, Sessions, deadline
from domain.signals import check_portfolios, encode_portfolios, payload, signal_hash
from models.datasets import ColumnType
from models.enums import StrategyStatus
from models.errors import ConflictError, InputError, RefusedError
from models.settlement import Settlement
from models.signals import Signal
from models.strategies import Strategy
from store.ledger import Ledger
from store.strategies import change_status

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
class Receipt:
    """What became of one submission. `known`: the newest revision said the same already, and nothing was added."""

    strategy: str
    session: date
    revision: int
    signal_hash: str
    known: bool


def submit(
    ledger: Ledger, sessions: Sessions, session: date, signals: pl.DataFrame, received_at: datetime
) -> list[Receipt]:
    """Record one portfolio for each strategy in `signals` (strategy, symbol, weight); all of them or none.

    A portfolio that differs from the newest one becomes the next revision. InputError for a portfolio or a session that
    is not one, RefusedError past a deadline or in the wrong state, ConflictError once the session is settled.
    """
    check_portfolios(signals)
    _check_session(sessions, session, received_at)
    portfolios = encode_portfolios(signals)
    with ledger.write() as db:
        if db.exec(select(Settlement.id).where(Settlement.session == session)).first():
            raise ConflictError(f"session: {session} is settled already")
        strategies = _strategies(db, portfolios["strategy"].to_list())
        newest = _newest(db, session, [strategy.id for strategy in strategies.values()])
        receipts, rows = [], []
        for slug, portfolio, count in portfolios.iter_rows():
            strategy = strategies[slug]
            closes_at = _check_open(strategy, session, received_at)
            known = newest.get(strategy.id)
            if known and known.portfolio == portfolio:
                receipts.append(Receipt(slug, session, known.revision, known.signal_hash, known=True))
                continue
            if strategy.status == StrategyStatus.PENDING:
                change_status(db, db.get_one(Strategy, strategy.id), StrategyStatus.ACTIVE, received_at, actor=slug)
            revision = known.revision + 1 if known else 1
            salt = secrets.token_hex(16)
            hashed = signal_hash(payload(slug, session, revision, salt, portfolio))
            rows.append(
                {
                    "strategy_id": strategy.id,
                    "session": session,
                    "revision": revision,
                    "portfolio": portfolio,
                    "symbols_count": count,
                    "salt": salt,
                    "signal_hash": hashed,
                    "received_at": received_at,
                    "deadline": closes_at,
                }
            )
            receipts.append(Receipt(slug, session, revision, hashed, known=False))
        if rows:
            db.execute(sa.insert(Signal), rows)
    return receipts


def first_session(db: Session) -> date | None:
    """Return the first session that anybody ever signalled for, None before that."""
    return db.exec(select(func.min(Signal.session))).one()


def read_signals(db: Session, session: date, first_id: int, last_id: int) -> pl.DataFrame:
    """Read all revisions for a session of the strategies with ids in [first_id, last_id], by strategy and revision.

    Columns strategy, revision, portfolio, received_at, deadline, signal_hash.
    """
    rows = db.execute(
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
    ).all()
    return pl.DataFrame([tuple(row) for row in rows], schema=REVISIONS, orient="row")


def signalled_symbols(db: Session, session: date) -> set[str]:
    """Return every symbol that any revision for a session names."""
    portfolios = db.execute(sa.select(col(Signal.portfolio)).where(col(Signal.session) == session)).scalars()
    items = pl.Series("portfolio", list(portfolios), dtype=pl.String).str.split(" ").explode().drop_nulls()
    return set(items.str.split_exact("=", 1).struct.field("field_0").unique())


def _check_session(sessions: Sessions, session: date, received_at: datetime) -> None:
    sessions.require(session)
    tomorrow = received_at.astimezone(EXCHANGE_ZONE).date() + timedelta(days=1)
    if len(sessions.between(tomorrow, session)) > MAX_SESSIONS_AHEAD:
        raise InputError("session", f"a session at most {MAX_SESSIONS_AHEAD} sessions ahead", session)


def _strategies(db: Session, slugs: list[str]) -> dict[str, Any]:
    """Rows of id, slug, status, execution_price, by slug: whole objects of thousands of strategies take their time."""
    columns = (col(Strategy.id), col(Strategy.slug), col(Strategy.status), col(Strategy.execution_price))
    found: dict[str, Any] = {}
    for start in range(0, len(slugs), 500):
        query = sa.select(*columns).where(col(Strategy.slug).in_(slugs[start : start + 500]))
        found |= {row.slug: row for row in db.execute(query)}
    for slug in slugs:
        if slug not in found:
            raise InputError("strategy", "the slug of a strategy", slug)
    return found


def _newest(db: Session, session: date, ids: list[int]) -> dict[int, Signal]:
    newest: dict[int, Signal] = {}
    for start in range(0, len(ids), 500):
        query = (
            select(Signal)
            .where(Signal.session == session, col(Signal.strategy_id).in_(ids[start : start + 500]))
            .order_by(col(Signal.revision))
        )
        newest |= {signal.strategy_id: signal for signal in db.exec(query)}
    return newest


def _check_open(strategy: Any, session: date, received_at: datetime) -> datetime:
    if strategy.status not in {StrategyStatus.PENDING, StrategyStatus.ACTIVE}:
        raise RefusedError(f"strategy: {strategy.slug} is {strategy.status}, expected pending or active")
    closes_at = deadline(session, strategy.execution_price)
    if received_at >= closes_at:
        raise RefusedError(
            f"deadline: {strategy.slug} takes signals for {session} strictly before {closes_at:%F %T} UTC,"
            f" received at {received_at:%F %T.%f}"
        )
    return closes_at
