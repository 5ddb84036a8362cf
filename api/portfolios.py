"""Router of multi-factor portfolios: their members, their states, and the signals made of them."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from typing import Any

from anyio import to_thread
from fastapi import APIRouter
from sqlmodel import Session, col, select

from api.answers import Json
from api.errors import problems, refuse
from api.evidence import show_evidence
from api.identity import Account
from api.json_bodies import StrictRoute
from api.paging import Limit, LongId, Offset
from api.state import Here, Now, State
from domain.sessions import EXCHANGE_ZONE, deadline
from models.enums import ExecutionPrice
from models.errors import CountersignError, RefusedError
from models.portfolios import FactorPortfolio, PortfolioTerms
from models.strategies import Strategy
from models.users import User
from models.wire.base import Deleted
from models.wire.portfolios import (
    ActivatedAnswer,
    NewMember,
    NewPortfolio,
    PortfoliosAnswer,
    PortfolioShape,
    PortfolioSignalsAnswer,
)
from store.accounts import require_room
from store.history import SignalRecord, list_signals
from store.portfolio_signals import PortfolioSignal, signals_for, tell
from store.portfolios import (
    activate,
    add_member,
    delete_portfolio,
    list_portfolios,
    members_of,
    open_portfolio,
    own_portfolio,
    pause,
    remove_member,
    require_ready,
    resume,
)

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/portfolios", tags=["portfolios"])

PLAIN = ("id", "name", "universe", "weighting", "top_n", "status", "created_at", "activated_at")


@router.post("", status_code=201, response_model=PortfolioShape, responses=problems(401, 403))
def create(here: Here, user: Account, now: Now, body: NewPortfolio) -> Json:
    """Make a portfolio. It is a draft until it is activated. Each call makes another one."""
    with here.home.ledger.write() as db:
        portfolio = open_portfolio(db, user, PortfolioTerms(**body.model_dump()), now)
        return Json(_shape(db, portfolio), 201)


@router.get("", response_model=PortfoliosAnswer, responses=problems(401, 403))
def portfolios(here: Here, user: Account, limit: Limit = 50, offset: Offset = 0) -> Json:
    """List one's portfolios, newest first."""
    with here.home.ledger.read() as db:
        return Json({"portfolios": _shapes(db, list_portfolios(db, user.id, limit, offset))})


@router.get("/{portfolio_id}", response_model=PortfolioShape, responses=problems(401, 403, 404))
def portfolio(here: Here, user: Account, portfolio_id: LongId) -> Json:
    """Show one of one's portfolios, with its members and its strategy."""
    with here.home.ledger.read() as db:
        return Json(_shape(db, own_portfolio(db, user.id, portfolio_id)))


@router.delete("/{portfolio_id}", response_model=Deleted, responses=problems(401, 403, 404))
def delete(here: Here, user: Account, now: Now, portfolio_id: LongId) -> Json:
    """Delete a draft or paused portfolio. Its strategy is retired, and its record stays."""
    with here.home.ledger.write() as db:
        delete_portfolio(db, own_portfolio(db, user.id, portfolio_id), now)
    return Json({"deleted": True})


@router.post(
    "/{portfolio_id}/members", status_code=201, response_model=PortfolioShape, responses=problems(401, 403, 404, 409)
)
def add(here: Here, user: Account, now: Now, portfolio_id: LongId, body: NewMember) -> Json:
    """Add an active factor of one's own, of the same universe, to a portfolio that is not active."""
    with here.home.ledger.write() as db:
        found = own_portfolio(db, user.id, portfolio_id)
        add_member(db, found, body.factor_id, now)
        return Json(_shape(db, found), 201)


@router.delete("/{portfolio_id}/members/{factor_id}", response_model=PortfolioShape, responses=problems(401, 403, 404))
def remove(here: Here, user: Account, portfolio_id: LongId, factor_id: LongId) -> Json:
    """Take a factor out of a portfolio that is not active."""
    with here.home.ledger.write() as db:
        found = own_portfolio(db, user.id, portfolio_id)
        remove_member(db, found, factor_id)
        return Json(_shape(db, found))


@router.post("/{portfolio_id}/activate", response_model=ActivatedAnswer, responses=problems(401, 403, 404, 409))
async def begin(here: Here, user: Account, now: Now, portfolio_id: LongId) -> Json:
    """Activate a draft with two factors or more: it gets a strategy, and from now on a signal at 09:00 of each session.

    The strategy counts in the tier's limit. On a session before 09:15 a signal is made at once. The strategy has the
    default terms: it rebalances every 10 sessions, the holding period, though it has a signal every session.
    """
    session = _open_session(here, now)
    found, shown = await to_thread.run_sync(_activate, here, user, portfolio_id, now)
    here.shown.forget()
    if session is None:
        return Json(shown | {"signal": _made(None, 0, "made at 09:00 of the next session")})
    return Json(shown | {"signal": await _signal_now(here, found, session, now)})


@router.post("/{portfolio_id}/pause", response_model=PortfolioShape, responses=problems(401, 403, 404))
def stop(here: Here, user: Account, now: Now, portfolio_id: LongId) -> Json:
    """Stop making signals; what the strategy holds it goes on holding."""
    with here.home.ledger.write() as db:
        found = own_portfolio(db, user.id, portfolio_id)
        pause(db, found, now)
        return Json(_shape(db, found))


@router.post("/{portfolio_id}/resume", response_model=PortfolioShape, responses=problems(401, 403, 404))
def go_on(here: Here, user: Account, now: Now, portfolio_id: LongId) -> Json:
    """Go on making signals, from the next 09:00 of a session."""
    with here.home.ledger.write() as db:
        found = own_portfolio(db, user.id, portfolio_id)
        resume(db, found, now)
        return Json(_shape(db, found))


@router.get("/{portfolio_id}/signals", response_model=PortfolioSignalsAnswer, responses=problems(401, 403, 404))
def history(here: Here, user: Account, portfolio_id: LongId, limit: Limit = 30, offset: Offset = 0) -> Json:
    """List the signals of a portfolio's strategy with their evidence, newest session first; none before activation."""
    with here.home.ledger.read() as db:
        found = own_portfolio(db, user.id, portfolio_id)
        records = list_signals(db, found.strategy_id, limit, offset) if found.strategy_id else []
    evidence = show_evidence(here.signers, [each.attestation for each in records])
    return Json({"signals": [_signal(each) | shown for each, shown in zip(records, evidence, strict=True)]})


def _activate(here: State, user: User, portfolio_id: str, now: datetime) -> tuple[FactorPortfolio, dict[str, Any]]:
    with here.home.ledger.write() as db:
        found = own_portfolio(db, user.id, portfolio_id)
        require_ready(db, found)
        try:
            require_room(db, user)
        except RefusedError as error:
            raise refuse(403, str(error)) from None
        activate(db, found, user, now)
        return found, _shape(db, found)


def _open_session(here: State, now: datetime) -> date | None:
    """Return today where it is a session that still takes signals at the open."""
    today = now.astimezone(EXCHANGE_ZONE).date()
    return today if today in here.home.sessions and now < deadline(today, ExecutionPrice.OPEN) else None


async def _signal_now(here: State, portfolio: FactorPortfolio, session: date, now: datetime) -> dict[str, Any]:
    make = partial(signals_for, here.home.lake, here.home.sessions, session, [portfolio])
    (made,) = await to_thread.run_sync(make, limiter=here.validations)
    await to_thread.run_sync(_tell, here, made, session, now)
    sent = made.submission(session, now)
    if sent is None:
        return _made(None, 0, made.reason)
    try:
        await here.submissions.submit(sent)
    except CountersignError as error:
        return _made(None, 0, str(error))
    return _made(session, sent.portfolio.height, None)


def _made(session: date | None, count: int, reason: str | None) -> dict[str, Any]:
    return {"trade_date": session, "stock_count": count, "reason": reason}


def _tell(here: State, made: PortfolioSignal, session: date, now: datetime) -> None:
    with here.home.ledger.write() as db:
        tell(db, made, session, now)


def _shape(db: Session, portfolio: FactorPortfolio) -> dict[str, Any]:
    return _shapes(db, [portfolio])[0]


def _shapes(db: Session, found: Sequence[FactorPortfolio]) -> list[dict[str, Any]]:
    members = members_of(db, [portfolio.id for portfolio in found])
    ids = [portfolio.strategy_id for portfolio in found if portfolio.strategy_id]
    strategies = {each.id: each for each in db.exec(select(Strategy).where(col(Strategy.id).in_(ids)))}
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
