"""Router of the public proof: all there is to one settled session, so that anybody can check it."""

import hashlib
from datetime import date
from typing import Annotated, Any

import orjson
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from countersign.api.app_state import AppState, State
from countersign.api.requests.json_bodies import StrictRoute
from countersign.api.responses.answers import dumps, etag, tagged
from countersign.api.responses.errors import not_found, problems
from countersign.api.responses.evidence import show_evidence
from countersign.api.responses.paging import Slug
from countersign.api.routers.public.track_records import UNCHANGED, find_published
from countersign.api.routers.public.verification_steps import raw_url, verification_steps
from countersign.domain.signals.payload import payload
from countersign.models.tables.signals import Signal
from countersign.models.wire.base import Day
from countersign.models.wire.public import VerifyAnswer
from countersign.services.publication.public_strategies import Visible
from countersign.services.settlement.settled import settlement_of_version
from countersign.services.signals.evidence import read_attestations
from countersign.services.signals.history import newest_revision
from countersign.services.strategies.lifecycle import read_owner_key
from countersign.store.ledger.ledger import Transaction

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/public/strategies", tags=["public"])


@router.get("/{slug}/verify", response_model=VerifyAnswer, responses=problems(404) | UNCHANGED)
async def show_proof(
    request: Request,
    state: State,
    slug: Slug,
    date: Annotated[Day | None, Query(description="default: the newest settled session")] = None,
) -> Response:
    """Show NAV, positions, orders, the signal with its seal, and what it was all made from; and how to check it.

    Of a session that is not settled yet, only the seal's hash is shown, never the portfolio.
    """
    found, edition, version = await find_published(state, slug)
    tag = etag(version, "verify", slug, date, found.creator_counts)
    body, final = await to_thread.run_sync(_make, state, slug, found, date)
    if final:
        state.response_cache.keep(edition, request.scope, tag, body)
    return tagged(request, tag if final else etag(body), body)


def _make(state: AppState, slug: str, found: Visible, date: date | None) -> tuple[bytes, bool]:
    """Make the proof, and say whether it is final: settled, and its signal in the journal, signed by a known key.

    A proof that is not final may be sealed any moment, and is made anew for each reader.
    """
    session, settled = date, None
    if state.lens.version is not None:
        session = date or state.track_records.newest_session(slug)
        settled = state.track_records.session(slug, session) if session else None
    nav, positions, orders, versions = settled or (None, [], [], [])
    with state.home.ledger.read() as db:
        sealed = _sealed_signal(db, state, slug, found, session, revealed=settled is not None) if session else None
        provenance = _provenance(db, session, versions[-1]["version"]) if session and versions else None
    if session is None or (settled is None and sealed is None):
        raise not_found("Settled session")
    verification = {
        "nav": nav and {"reported_nav" if name == "nav" else name: value for name, value in nav.items()},
        "positions": positions,
        "signal_attestation": sealed,
        "orders": orders,
        "trades": orders,  # their first name, which clients still read
    }
    proof = {
        "strategy": slug,
        "date": session,
        "simulated": state.simulated,
        "creator_counts": found.creator_counts._asdict(),
        "verification": verification,
        "data_provenance": provenance,
        "versions": versions,
        "how_to_verify": verification_steps(state, slug, session, verification),
    }
    return dumps(proof), settled is not None and (sealed is None or sealed["signer"] is not None)


def _sealed_signal(
    db: Transaction, state: AppState, slug: str, found: Visible, session: date, *, revealed: bool
) -> dict[str, Any] | None:
    signal = newest_revision(db, found.id, session)
    if signal is None:
        return None
    sealed = read_attestations(db, [signal.id])[signal.id]
    (evidence,) = show_evidence(state.signers, [sealed])
    revealed &= not signal.content_lost
    return {
        "revision": signal.revision,
        "signal_hash": signal.signal_hash,
        **(_revealed(slug, signal) if revealed else {"symbols_hash": None, "payload": None, "salt": None}),
        "owner_key": read_owner_key(db, found.id),
        "owner_signature": signal.owner_signature,
        "received_at": signal.received_at,
        "deadline": signal.deadline,
        "committed": sealed.committed,
        **evidence,
        "record_path": sealed.path,
        "github_raw_url": raw_url(state.journal_remote, sealed.path),
    }


def _revealed(slug: str, signal: Signal) -> dict[str, str]:
    symbols = ",".join(item.partition("=")[0] for item in signal.portfolio.split(" "))
    sealed = payload(slug, signal.session, signal.revision, signal.salt, signal.portfolio)
    return {
        "symbols_hash": hashlib.sha256(symbols.encode()).hexdigest()[:16],
        "payload": sealed.decode(),
        "salt": signal.salt,
    }


def _provenance(db: Transaction, session: date, version: int) -> dict[str, Any] | None:
    """Inputs of the version shown; a newer version that is settled already is shown once it is published."""
    found = settlement_of_version(db, session, version)
    if found is None:
        return None
    fields = ("version", "bars_sha256", "rules_sha256", "manifest_sha256", "settled_at")
    return {name: getattr(found, name) for name in fields} | {"manifest": orjson.Fragment(found.manifest)}
