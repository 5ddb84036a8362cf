"""Multi-factor portfolios in the ledger: their members, and the states between draft, active and paused."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.models.enums import ExecutionPrice, FactorStatus, PortfolioStatus, StrategyStatus, Universe
from countersign.models.errors import ConflictError, MissingError, RefusedError
from countersign.models.tables.accounts import User
from countersign.models.tables.factors import Factor
from countersign.models.tables.operations import AuditEntry, account
from countersign.models.tables.portfolios import MIN_MEMBERS, FactorPortfolio, PortfolioMember, PortfolioTerms
from countersign.models.tables.strategies import Strategy, StrategyTerms
from countersign.services.factors.lifecycle import own_factor
from countersign.services.strategies.lifecycle import change_status, open_strategy
from countersign.store.ledger.chunks import chunked

SLUG_LENGTH = 49


class Member(NamedTuple):
    """A factor in a portfolio, since when."""

    factor: Factor
    added_at: datetime


def open_portfolio(db: Session, owner: User, terms: PortfolioTerms, now: datetime) -> FactorPortfolio:
    """Make a portfolio without members."""
    portfolio = FactorPortfolio(**terms.model_dump(), owner_id=owner.id, created_at=now)
    db.add(portfolio)
    db.flush()
    return portfolio


def own_portfolio(db: Session, owner_id: int, portfolio_id: str) -> FactorPortfolio:
    """Return an account's portfolio; MissingError if there is none, or it is another account's."""
    found = db.get(FactorPortfolio, portfolio_id) if portfolio_id.isprintable() else None
    if found is None or found.owner_id != owner_id:
        raise MissingError("Portfolio")
    return found


def list_portfolios(db: Session, owner_id: int, limit: int, offset: int) -> list[FactorPortfolio]:
    """List an account's portfolios, newest first."""
    query = select(FactorPortfolio).where(FactorPortfolio.owner_id == owner_id)
    newest_first = (col(FactorPortfolio.created_at).desc(), col(FactorPortfolio.id))
    return list(db.exec(query.order_by(*newest_first).limit(limit).offset(offset)))


def members_of(db: Session, portfolio_ids: Sequence[str]) -> dict[str, list[Member]]:
    """List the members of portfolios, in the order they were added."""
    found: dict[str, list[Member]] = {portfolio_id: [] for portfolio_id in portfolio_ids}
    query = (
        sa.select(PortfolioMember, Factor)
        .join(Factor, col(Factor.id) == col(PortfolioMember.factor_id))
        .order_by(col(PortfolioMember.added_at), col(PortfolioMember.factor_id))
    )
    for chunk in chunked(portfolio_ids):
        for member, factor in db.execute(query.where(col(PortfolioMember.portfolio_id).in_(chunk))):
            found[member.portfolio_id].append(Member(factor, member.added_at))
    return found


def add_member(db: Session, portfolio: FactorPortfolio, factor_id: str, now: datetime) -> None:
    """Add an active factor of the same owner and universe; MissingError, RefusedError or ConflictError otherwise."""
    _require_open(portfolio)
    factor = own_factor(db, portfolio.owner_id, factor_id)
    if factor.status != FactorStatus.ACTIVE:
        raise RefusedError(f"factor_id: {factor.name} is {factor.status}, expected an active factor")
    if factor.universe != portfolio.universe:
        raise RefusedError(f"factor_id: {factor.name} is of {factor.universe}, expected {portfolio.universe}")
    if db.get(PortfolioMember, (portfolio.id, factor_id)) is not None:
        raise ConflictError(f"factor_id: {factor.name} is a member already")
    db.add(PortfolioMember(portfolio_id=portfolio.id, factor_id=factor_id, added_at=now))
    db.flush()


def remove_member(db: Session, portfolio: FactorPortfolio, factor_id: str) -> None:
    """Take a factor out; MissingError if it is no member."""
    _require_open(portfolio)
    found = db.get(PortfolioMember, (portfolio.id, factor_id)) if factor_id.isprintable() else None
    if found is None:
        raise MissingError("Member")
    db.delete(found)
    db.flush()


def require_ready(db: Session, portfolio: FactorPortfolio) -> None:
    """Raise RefusedError unless it is a draft with two members or more."""
    if portfolio.status != PortfolioStatus.DRAFT:
        raise RefusedError(f"status: {portfolio.name} is {portfolio.status}, expected draft")
    _require_members(db, portfolio)


def activate_portfolio(db: Session, portfolio: FactorPortfolio, owner: User, now: datetime) -> Strategy:
    """Activate a draft that is ready: it gets its strategy. The caller checks that its owner has room for one."""
    require_ready(db, portfolio)
    terms = StrategyTerms(
        slug=slug_of(portfolio),
        name=portfolio.name,
        description=f"Multi-factor portfolio, {portfolio.weighting} weights, the best {portfolio.top_n}",
        universe=Universe(portfolio.universe),
        execution_price=ExecutionPrice.OPEN,
    )
    strategy = open_strategy(db, owner, terms, now)
    portfolio.strategy_id, portfolio.activated_at = strategy.id, now
    _move(db, portfolio, PortfolioStatus.ACTIVE, now)
    return strategy


def pause_portfolio(db: Session, portfolio: FactorPortfolio, now: datetime) -> None:
    """Stop making signals; its strategy goes on holding its positions."""
    if portfolio.status != PortfolioStatus.ACTIVE:
        raise RefusedError(f"status: {portfolio.name} is {portfolio.status}, expected active")
    _move(db, portfolio, PortfolioStatus.PAUSED, now)


def resume_portfolio(db: Session, portfolio: FactorPortfolio, now: datetime) -> None:
    """Resume making signals, with two members or more and a strategy that is not retired."""
    if portfolio.status != PortfolioStatus.PAUSED:
        raise RefusedError(f"status: {portfolio.name} is {portfolio.status}, expected paused")
    _require_members(db, portfolio)
    strategy = db.get_one(Strategy, portfolio.strategy_id)
    if strategy.status == StrategyStatus.RETIRED:
        raise RefusedError(f"status: {portfolio.name} cannot go on, its strategy {strategy.slug} is retired")
    _move(db, portfolio, PortfolioStatus.ACTIVE, now)


def delete_portfolio(db: Session, portfolio: FactorPortfolio, now: datetime) -> None:
    """Delete a draft or paused portfolio. Its strategy, if it has one, is retired: its record stays."""
    _require_open(portfolio)
    owner = account(portfolio.owner_id)
    if portfolio.strategy_id is not None:
        strategy = db.get_one(Strategy, portfolio.strategy_id)
        if strategy.status != StrategyStatus.RETIRED:
            change_status(db, strategy, StrategyStatus.RETIRED, now, actor=owner)
    db.execute(sa.delete(PortfolioMember).where(col(PortfolioMember.portfolio_id) == portfolio.id))
    db.flush()
    db.delete(portfolio)
    db.add(AuditEntry(at=now, actor=owner, action="portfolio deleted", subject=portfolio.id))


def slug_of(portfolio: FactorPortfolio) -> str:
    """Make the slug of a portfolio's strategy: mf-<8 hex of its id>-<name, all but a-z0-9 made dashes>."""
    plain = unicodedata.normalize("NFKD", portfolio.name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "portfolio"
    return f"mf-{portfolio.id[:8]}-{words}"[:SLUG_LENGTH].rstrip("-")


def _require_open(portfolio: FactorPortfolio) -> None:
    if portfolio.status == PortfolioStatus.ACTIVE:
        raise RefusedError(f"status: {portfolio.name} is active; pause it first")


def _require_members(db: Session, portfolio: FactorPortfolio) -> None:
    query = select(func.count()).where(PortfolioMember.portfolio_id == portfolio.id)
    if (found := db.exec(query).one()) < MIN_MEMBERS:
        raise RefusedError(f"members: expected at least {MIN_MEMBERS} factors, got {found}")


def _move(db: Session, portfolio: FactorPortfolio, status: PortfolioStatus, now: datetime) -> None:
    portfolio.status = status
    db.add(portfolio)
    owner = account(portfolio.owner_id)
    db.add(AuditEntry(at=now, actor=owner, action=f"portfolio {status}", subject=portfolio.id))
    db.flush()
