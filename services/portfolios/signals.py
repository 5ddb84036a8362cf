"""Signals of multi-factor portfolios: made from the newest values of their factors, submitted like anybody's.

One path for all: when a portfolio is activated it goes through here alone, in the morning all active ones do together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.domain.sessions import Sessions
from countersign.models.datasets import FACTOR_VALUES, ColumnType
from countersign.models.enums import NoticeKind, PortfolioStatus
from countersign.models.tables.factors import Factor, FactorSession
from countersign.models.tables.operations import AuditEntry, Notification
from countersign.models.tables.portfolios import FactorPortfolio
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.notifications.notifications import notify, resolve
from countersign.services.portfolios.lifecycle import members_of
from countersign.services.signals.submission import Submission
from countersign.store.lake.lake import Lake
from countersign.store.ledger.chunks import chunked

_KEY = "portfolio "
# Why the engine made no signal, for people.
WORDS = {
    "NO_FACTORS": "it has no factors",
    "NO_VALUES": "no values from the 5 sessions before",
    "STALE_VALUES": "values older than 5 sessions",
    "NO_DIRECTION": "an IC that says neither up nor down",
    "NO_COMMON_SYMBOL": "no symbol in common",
}


@dataclass(frozen=True)
class MadeSignal:
    """Signal of one portfolio for a session: `weights` (symbol, weight), or none and the reason in words."""

    portfolio_id: str
    name: str
    owner_id: int
    strategy: str
    weights: pl.DataFrame | None
    reason: str | None

    def submission(self, session: date, received_at: datetime) -> Submission | None:
        """Return the signal as a submission, None without weights."""
        if self.weights is None:
            return None
        return Submission(self.strategy, self.owner_id, session, self.weights, received_at)


def active_portfolios(db: Session) -> list[FactorPortfolio]:
    """List all active portfolios, oldest first."""
    query = select(FactorPortfolio).where(FactorPortfolio.status == PortfolioStatus.ACTIVE)
    return list(db.exec(query.order_by(col(FactorPortfolio.created_at), col(FactorPortfolio.id))))


def signals_for(
    lake: Lake, sessions: Sessions, session: date, portfolios: Sequence[FactorPortfolio]
) -> list[MadeSignal]:
    """Make the signals of activated portfolios for a session, in the order given; nothing is submitted yet."""
    from countersign.domain.portfolios import multi_factor as engine  # noqa: PLC0415 - brings a compiler in, see services/factors/measuring.py

    ids = [portfolio.id for portfolio in portfolios]
    with lake.ledger.read() as db:
        members = members_of(db, ids)
        slugs = _slugs(db, portfolios)
    factors = {member.factor.id: member.factor for each in members.values() for member in each}
    made = engine.combine(
        session,
        portfolios=_frame(
            [(each.id, str(each.weighting), each.top_n) for each in portfolios], engine.PORTFOLIOS_SCHEMA
        ),
        members=_frame([(pid, member.factor.id) for pid in ids for member in members[pid]], engine.MEMBERS_SCHEMA),
        factors=_frame([(each.id, each.ic_mean, each.ic_ir) for each in factors.values()], engine.FACTORS_SCHEMA),
        values=newest_values(lake, sessions, session, set(factors), engine.STALE_SESSIONS),
        sessions=sessions.days,
    )
    weights = {
        str(name): part.select("symbol", "weight")
        for (name,), part in made.weights.partition_by("portfolio", as_dict=True).items()
    }
    reasons = _reasons(lake, made.failures, factors, session)
    return [
        MadeSignal(each.id, each.name, each.owner_id, slugs[each.id], weights.get(each.id), reasons.get(each.id))
        for each in portfolios
    ]


def newest_values(lake: Lake, sessions: Sessions, session: date, factor_ids: set[str], most: int) -> pl.DataFrame:
    """Read each factor's newest cross-section of the `most` sessions before one: factor, session, symbol, value."""
    parts, missing = [pl.DataFrame(schema=FACTOR_VALUES.schema)], set(factor_ids)
    day: date | None = session
    for _ in range(most):
        day = sessions.previous(day) if day else None
        if day is None or not missing:
            break
        files = [file for file in lake.files(FACTOR_VALUES, since=day) if file.series in missing]
        part = lake.scan_files(FACTOR_VALUES, files).filter(pl.col("session") == day).collect()
        parts.append(part)
        missing -= set(part["factor"].unique())
    return pl.concat(parts)


def unanswered(db: Session, session: date, before: datetime) -> list[FactorPortfolio]:
    """List the portfolios active since `before` without a signal for a session or a notification of why."""
    signal = sa.select(col(Signal.id)).where(
        col(Signal.strategy_id) == col(FactorPortfolio.strategy_id), col(Signal.session) == session
    )
    told = sa.select(col(Notification.id)).where(
        col(Notification.key) == _KEY + col(FactorPortfolio.id) + sa.literal(f" {session}")
    )
    since = sa.select(func.max(col(AuditEntry.at))).where(
        col(AuditEntry.subject) == col(FactorPortfolio.id),
        col(AuditEntry.action) == f"portfolio {PortfolioStatus.ACTIVE}",
    )
    waiting = select(FactorPortfolio).where(
        FactorPortfolio.status == PortfolioStatus.ACTIVE,
        ~signal.exists(),
        ~told.exists(),
        since.scalar_subquery() < before,
    )
    return list(db.exec(waiting.order_by(col(FactorPortfolio.id))))


def unmade(db: Session, portfolios: Sequence[FactorPortfolio], reason: str) -> list[MadeSignal]:
    """Make results without weights for portfolios, all for one reason."""
    slugs = _slugs(db, portfolios)
    return [MadeSignal(each.id, each.name, each.owner_id, slugs[each.id], None, reason) for each in portfolios]


def notify_owner(db: Session, signal: MadeSignal, session: date, now: datetime) -> None:
    """Notify a portfolio's owner why it has no signal for a session, or that it has one after all."""
    key = f"{_KEY}{signal.portfolio_id} {session}"
    if signal.reason is None:
        resolve(db, key, now)
    else:
        text = f"portfolio {signal.name} has no signal for {session}: {signal.reason}"
        notify(db, key, NoticeKind.PORTFOLIO_WITHOUT_SIGNAL.value, text, now, signal.owner_id)


def _reasons(lake: Lake, failures: pl.DataFrame, factors: dict[str, Factor], session: date) -> dict[str, str]:
    with lake.ledger.read() as db:
        newest = _newest(db, sorted(set(failures["factors"].explode().drop_nulls())), session)
    found = {}
    for portfolio_id, reason, at_fault in failures.select("portfolio", "reason", "factors").iter_rows():
        names = sorted(f"{factors[each].name} (newest: {newest.get(each, 'none')})" for each in at_fault or ())
        found[portfolio_id] = WORDS[reason] + (f": {', '.join(names)}" if names else "")
    return found


def _newest(db: Session, factor_ids: list[str], session: date) -> dict[str, date]:
    found: dict[str, date] = {}
    query = sa.select(col(FactorSession.factor_id), func.max(col(FactorSession.session)))
    for chunk in chunked(factor_ids):
        chosen = col(FactorSession.factor_id).in_(chunk)
        rows = db.execute(query.where(chosen, col(FactorSession.session) < session).group_by(FactorSession.factor_id))
        found |= {row[0]: row[1] for row in rows}
    return found


def _slugs(db: Session, portfolios: Sequence[FactorPortfolio]) -> dict[str, str]:
    by_strategy = {portfolio.strategy_id: portfolio.id for portfolio in portfolios}
    ids, found = sorted(filter(None, by_strategy)), dict[str, str]()
    for chunk in chunked(ids):
        query = sa.select(col(Strategy.id), col(Strategy.slug)).where(col(Strategy.id).in_(chunk))
        found |= {by_strategy[strategy_id]: slug for strategy_id, slug in db.execute(query)}
    return found


def _frame(rows: Sequence[tuple[object, ...]], schema: Mapping[str, ColumnType]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row")
