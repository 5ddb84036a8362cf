"""Router of signals: submitting them, their history, and taking one back before it is sealed."""

from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Path, Query

from countersign.api.app_state import Now, State
from countersign.api.identity import Account
from countersign.api.live.group_commit import Taken
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.responses.answers import Json
from countersign.api.responses.errors import not_found, problems, refuse
from countersign.api.responses.evidence import show_evidence
from countersign.api.responses.paging import Limit, Offset, Slug
from countersign.api.routers.strategies import is_slug, own_strategy
from countersign.domain.sessions import Sessions
from countersign.domain.verification.receipts import Accepted
from countersign.models.errors import InputError
from countersign.models.wire.base import Day
from countersign.models.wire.signals import NewSignal, SignalDeletedAnswer, SignalsAnswer, SubmittedAnswer
from countersign.services.signals import history as history_service
from countersign.services.signals.history import SignalRecord
from countersign.services.signals.owner_signatures import SignedSubmission
from countersign.services.signals.submission import Submission
from countersign.store.journal.receipts import ReceiptSigner

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/strategies/{slug}/signals", tags=["signals"])

STRANGER = ": no instrument or bar here knows it; no order of it is filled before a bar comes"
SCHEMA = {"symbol": pl.String, "weight": pl.Float64}


@router.post(
    "",
    status_code=201,
    response_model=SubmittedAnswer,
    responses={**problems(401, 403, 404, 409), 200: {"model": SubmittedAnswer, "description": "Known already"}},
)
async def submit_signal(state: State, user: Account, now: Now, slug: Slug, body: NewSignal) -> Json:
    """Submit a portfolio, or revise the one submitted before, strictly before the deadline.

    It is received when the last byte of the request has come: begun before the deadline and ended after it is too late.
    Each different portfolio is a revision of its own (201), sealed in the journal; the last one counts. The same
    portfolio again adds nothing (200). The answer waits up to 2 s for the seal. A symbol that is no share or
    exchange-traded fund is refused; one that no instrument or bar here knows is taken, and named in `warnings`.

    A strategy with `owner_key` takes only what that key signed, as the next revision (409 names it) or the newest one
    again.
    """
    if not is_slug(slug):
        raise not_found("Strategy")
    _require_trading_day(state.home.sessions, body)
    rows = [(holding.symbol, holding.weight) for holding in body.signals]
    portfolio = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    try:
        signed = SignedSubmission(**body.signed.model_dump()) if body.signed else None
        sent = Submission(slug, user.id, body.trade_date, portfolio, now, signed)
        taken = await state.submissions.submit(sent)
    except InputError as error:
        if error.field == "strategy":
            raise not_found("Strategy") from None
        if error.field == "session":
            raise refuse(400, f"trade_date: {error}") from None
        if error.field in {"symbol", "weight"}:  # of the portfolio, which the body has under this name
            raise InputError("signals", error.expected, error.got, where=error.field) from None
        raise
    strangers = state.known.strangers(holding.symbol for holding in body.signals)
    answer = _submitted(taken, strangers, await state.seal_waiter.wait_for(taken.recorded.signal_id))
    return Json(answer, 200 if taken.recorded.known else 201)


@router.get("", response_model=SignalsAnswer, responses=problems(401, 403, 404))
def list_signals(
    state: State,
    user: Account,
    slug: Slug,
    limit: Limit = 30,
    offset: Offset = 0,
    all_revisions: Annotated[bool, Query(description="every revision, not only the newest of each session")] = False,
) -> Json:
    """List a strategy's signals, newest session first, each with its evidence."""
    with state.home.ledger.read() as db:
        strategy = own_strategy(db, user, slug)
        found = history_service.list_signals(db, strategy.id, limit, offset, all_revisions=all_revisions)
    evidence = show_evidence(state.signers, [each.attestation for each in found])
    return Json(
        {"signals": [_shape(slug, each, state.receipts) | shown for each, shown in zip(found, evidence, strict=True)]}
    )


@router.delete("/{trade_date}", response_model=SignalDeletedAnswer, responses=problems(401, 403, 404))
def delete_signal(state: State, user: Account, now: Now, slug: Slug, trade_date: Annotated[Day, Path()]) -> Json:
    """Take a signal back. Refused once it is settled or sealed, or its deadline has passed; and if it is signed."""
    with state.home.ledger.write() as db:
        if not history_service.delete_signal(db, own_strategy(db, user, slug), trade_date, now):
            raise not_found("Signal")
    return Json({"deleted": True, "trade_date": trade_date})


def _require_trading_day(sessions: Sessions, body: NewSignal) -> None:
    if body.trade_date not in sessions:
        following = [day for day in sessions.days if day > body.trade_date][:1]
        hint = f"; the next one is {following[0]}" if following else ""
        raise refuse(400, f"trade_date: {body.trade_date} is not a trading day{hint}")


def _submitted(taken: Taken, strangers: list[str], attestation: Any) -> dict[str, Any]:
    receipt = taken.recorded
    return {
        "id": str(receipt.signal_id),
        "trade_date": receipt.session,
        "revision": receipt.revision,
        "replaced": receipt.revision > 1 and not receipt.known,
        "signal_hash": receipt.signal_hash,
        "salt": receipt.salt or None,
        "owner_signature": receipt.owner_signature,
        "receipt": taken.signed,
        "submitted_at": receipt.received_at,
        "deadline": receipt.deadline,
        "is_settled": False,
        "github_committed": attestation["committed"],
        "attestation": attestation,
        "warnings": [f"{symbol}{STRANGER}" for symbol in strangers],
    }


def _shape(slug: str, record: SignalRecord, signer: ReceiptSigner) -> dict[str, Any]:
    signal = record.signal
    accepted = Accepted(slug, signal.session, signal.revision, signal.signal_hash, signal.received_at)
    pairs = (item.split("=") for item in signal.portfolio.split())
    return {
        "id": str(signal.id),
        "trade_date": signal.session,
        "revision": signal.revision,
        "signals": [{"symbol": symbol, "weight": float(weight)} for symbol, weight in pairs],
        "signal_hash": signal.signal_hash,
        "salt": signal.salt or None,
        "owner_signature": signal.owner_signature,
        "receipt": signer.sign(accepted),
        "submitted_at": signal.received_at,
        "is_settled": record.settled,
        "github_committed": record.attestation.committed,
    }
