"""Router of multi-factor portfolios: their members, their states, and the signals made of them."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from typing import Any

from anyio import to_thread
from fastapi import APIRouter

from countersign.api.app_state import AppState, Now, State
from countersign.api.identity import Account
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.responses.answers import Json
from countersign.api.responses.errors import problems, refuse
from countersign.api.responses.evidence import show_evidence
from countersign.api.responses.paging import Limit, LongId, Offset
from countersign.domain.sessions import EXCHANGE_ZONE, deadline
from countersign.models.enums import ExecutionPrice
from countersign.models.errors import CountersignError, RefusedError
from countersign.models.tables.accounts import User
from countersign.models.tables.portfolios import FactorPortfolio, PortfolioTerms
from countersign.models.tables.strategies import Strategy
from countersign.models.wire.base import Deleted
from countersign.models.wire.portfolios import (
    ActivatedAnswer,
    NewMember,
    NewPortfolio,
    PortfoliosAnswer,
    PortfolioShape,
    PortfolioSignalsAnswer,
)
from countersign.services.accounts.accounts import require_room
from countersign.services.portfolios import lifecycle
from countersign.services.portfolios.lifecycle import (
    activate_portfolio,
    members_of,
    open_portfolio,
    own_portfolio,
    pause_portfolio,
    require_ready,
    resume_portfolio,
)
from countersign.services.portfolios.signals import MadeSignal, notify_owner, signals_for
from countersign.services.signals.history import SignalRecord, list_signals
from countersign.services.strategies.lifecycle import strategies_by_id
from countersign.store.ledger.ledger import Transaction

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/portfolios", tags=["portfolios"])

PLAIN = ("id", "name", "universe", "weighting", "top_n", "status", "created_at", "activated_at")


@router.post("", status_code=201, response_model=PortfolioShape, responses=problems(401, 403))
def create_portfolio(state: State, user: Account, now: Now, body: NewPortfolio) -> Json:
    """Make a portfolio. It is a draft until it is activated. Each call makes another one."""
    with state.home.ledger.write() as db:
        portfolio = open_portfolio(db, user, PortfolioTerms(**body.model_dump()), now)
        return Json(_shape(db, portfolio), 201)


@router.get("", response_model=PortfoliosAnswer, responses=problems(401, 403))
def list_portfolios(state: State, user: Account, limit: Limit = 50, offset: Offset = 0) -> Json:
    """List one's portfolios, newest first."""
    with state.home.ledger.read() as db:
        return Json({"portfolios": _shapes(db, lifecycle.list_portfolios(db, user.id, limit, offset))})


@router.get("/{portfolio_id}", response_model=PortfolioShape, responses=problems(401, 403, 404))
def show_portfolio(state: State, user: Account, portfolio_id: LongId) -> Json:
    """Show one of one's portfolios, with its members and its strategy."""
    with state.home.ledger.read() as db:
        return Json(_shape(db, own_portfolio(db, user.id, portfolio_id)))


@router.delete("/{portfolio_id}", response_model=Deleted, responses=problems(401, 403, 404))
def delete_portfolio(state: State, user: Account, now: Now, portfolio_id: LongId) -> Json:
    """Delete a draft or paused portfolio. Its strategy is retired, and its record stays."""
    with state.home.ledger.write() as db:
        lifecycle.delete_portfolio(db, own_portfolio(db, user.id, portfolio_id), now)
    return Json({"deleted": True})


@router.post(
    "/{portfolio_id}/members", status_code=201, response_model=PortfolioShape, responses=problems(401, 403, 404, 409)
)
def add_member(state: State, user: Account, now: Now, portfolio_id: LongId, body: NewMember) -> Json:
    """Add an active factor of one's own, of the same universe, to a portfolio that is not active."""
    with state.home.ledger.write() as db:
        found = own_portfolio(db, user.id, portfolio_id)
        lifecycle.add_member(db, found, body.factor_id, now)
        return Json(_shape(db, found), 201)


@router.delete("/{portfolio_id}/members/{factor_id}", response_model=PortfolioShape, responses=problems(401, 403, 404))
def remove_member(state: State, user: Account, portfolio_id: LongId, factor_id: LongId) -> Json:
    """Take a factor out of a portfolio that is not active."""
    with state.home.ledger.write() as db:
        found = own_portfolio(db, user.id, portfolio_id)
        lifecycle.remove_member(db, found, factor_id)
        return Json(_shape(db, found))


@router.post("/{portfolio_id}/activate", response_model=ActivatedAnswer, responses=problems(401, 403, 404, 409))
async def activate(state: State, user: Account, now: Now, portfolio_id: LongId) -> Json:
    """Activate a draft with two factors or more: it gets a strategy, and from now on a signal at 09:00 of each session.

    The strategy counts in the tier's limit. On a session before 09:15 a signal is made at once. The strategy has the
    default terms: it rebalances every 10 sessions, the holding period, though it has a signal every session.
    """
    session = _open_session(state, now)
    found, shown = await to_thread.run_sync(_activate, state, user, portfolio_id, now)
    state.public_index.forget()
    if session is None:
        return Json(shown | {"signal": _made(None, 0, "made at 09:00 of the next session")})
    return Json(shown | {"signal": await _signal_now(state, found, session, now)})


@router.post("/{portfolio_id}/pause", response_model=PortfolioShape, responses=problems(401, 403, 404))
def pause(state: State, user: Account, now: Now, portfolio_id: LongId) -> Json:
    """Stop making signals; what the strategy holds it goes on holding."""
    with state.home.ledger.write() as db:
        found = own_portfolio(db, user.id, portfolio_id)
        pause_portfolio(db, found, now)
        return Json(_shape(db, found))


@router.post("/{portfolio_id}/resume", response_model=PortfolioShape, responses=problems(401, 403, 404))
def resume(state: State, user: Account, now: Now, portfolio_id: LongId) -> Json:
    """Go on making signals, from the next 09:00 of a session."""
    with state.home.ledger.write() as db:
        found = own_portfolio(db, user.id, portfolio_id)
        resume_portfolio(db, found, now)
        return Json(_shape(db, found))


@router.get("/{portfolio_id}/signals", response_model=PortfolioSignalsAnswer, responses=problems(401, 403, 404))
def list_portfolio_signals(
    state: State, user: Account, portfolio_id: LongId, limit: Limit = 30, offset: Offset = 0
) -> Json:
    """List the signals of a portfolio's strategy with their evidence, newest session first; none before activation."""
    with state.home.ledger.read() as db:
        found = own_portfolio(db, user.id, portfolio_id)
        records = list_signals(db, found.strategy_id, limit, offset) if found.strategy_id else []
    evidence = show_evidence(state.signers, [each.attestation for each in records])
    return Json({"signals": [_signal(each) | shown for each, shown in zip(records, evidence, strict=True)]})


def _activate(state: AppState, user: User, portfolio_id: str, now: datetime) -> tuple[FactorPortfolio, dict[str, Any]]:
    with state.home.ledger.write() as db:
        found = own_portfolio(db, user.id, portfolio_id)
        require_ready(db, found)
        try:
            require_room(db, user)
        except RefusedError as error:
            raise refuse(403, str(error)) from None
        activate_portfolio(db, found, user, now)
        return found, _shape(db, found)


def _open_session(state: AppState, now: datetime) -> date | None:
    """Return today where it is a session that still takes signals at the open."""
    today = now.astimezone(EXCHANGE_ZONE).date()
    return today if today in state.home.sessions and now < deadline(today, ExecutionPrice.OPEN) else None


async def _signal_now(state: AppState, portfolio: FactorPortfolio, session: date, now: datetime) -> dict[str, Any]:
    make = partial(signals_for, state.home.lake, state.home.sessions, session, [portfolio])
    (made,) = await to_thread.run_sync(make, limiter=state.validations)
    await to_thread.run_sync(_notify, state, made, session, now)
    sent = made.submission(session, now)
    if sent is None:
        return _made(None, 0, made.reason)
    try:
        await state.submissions.submit(sent)
    except CountersignError as error:
        return _made(None, 0, str(error))
    return _made(session, sent.portfolio.height, None)


def _made(session: date | None, count: int, reason: str | None) -> dict[str, Any]:
    return {"trade_date": session, "stock_count": count, "reason": reason}


def _notify(state: AppState, made: MadeSignal, session: date, now: datetime) -> None:
    with state.home.ledger.write() as db:
        notify_owner(db, made, session, now)


def _shape(db: Transaction, portfolio: FactorPortfolio) -> dict[str, Any]:
    return _shapes(db, [portfolio])[0]


def _shapes(db: Transaction, found: Sequence[FactorPortfolio]) -> list[dict[str, Any]]:
    members = members_of(db, [portfolio.id for portfolio in found])
    ids = [portfolio.strategy_id for portfolio in found if portfolio.strategy_id]
    strategies = strategies_by_id(db, ids)
    return [
        {
            **{name: getattr(portfolio, name) for name in PLAIN},
            "members": [_member(*member) for member in members[portfolio.id]],
            "strategy": _strategy(strategies.get(portfolio.strategy_id or 0)),
        }
        for portfolio in found
    ]


def _member(factor: Any, added_at: datetime) -> dict[str, Any]:
    shown = {name: getattr(factor, name) for name in ("name", "status", "ic_mean", "ic_ir")}
    return {"factor_id": factor.id, **shown, "added_at": added_at}


def _strategy(strategy: Strategy | None) -> dict[str, Any] | None:
    return {name: getattr(strategy, name) for name in ("slug", "name", "status")} if strategy else None


def _signal(record: SignalRecord) -> dict[str, Any]:
    signal = record.signal
    return {
        "id": str(signal.id),
        "trade_date": signal.session,
        "revision": signal.revision,
        "stock_count": signal.symbols_count,
        "signal_hash": signal.signal_hash,
        "submitted_at": signal.received_at,
        "is_settled": record.settled,
        "github_committed": record.attestation.committed,
    }
