"""Router of the public proof: all there is to one settled session, so that anybody can check it."""

import hashlib
from datetime import date
from typing import Annotated, Any

import orjson
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from sqlmodel import Session, select
from starlette.responses import Response

from api.answers import dumps, etag, tagged
from api.errors import not_found, problems
from api.evidence import show_evidence
from api.instructions import instructions, raw_url
from api.json_bodies import StrictRoute
from api.paging import Slug
from api.public import UNCHANGED, look_up
from api.state import Here, State
from domain.signals import payload
from models.settlement import Settlement
from models.signals import Signal
from models.strategies import Strategy
from models.wire.base import Day
from models.wire.public import VerifyAnswer
from store.evidence import read_attestations
from store.history import newest_revision
from store.visible import Visible

router = APIRouter(route_class=StrictRoute, prefix="/api/v1/public/strategies", tags=["public"])


@router.get("/{slug}/verify", response_model=VerifyAnswer, responses=problems(404) | UNCHANGED)
async def verify(
    request: Request,
    here: Here,
    slug: Slug,
    date: Annotated[Day | None, Query(description="default: the newest settled session")] = None,
) -> Response:
    """Show NAV, positions, orders, the signal with its seal, and what it was all made from; and how to check it.

    Of a session that is not settled yet, only the seal's hash is shown, never the portfolio.
    """
    found, edition, version = await look_up(here, slug)
    tag = etag(version, "verify", slug, date, found.creator_counts)
    body, final = await to_thread.run_sync(_make, here, slug, found, date)
    if final:
        here.answers.keep(edition, request.scope, tag, body)
    return tagged(request, tag if final else etag(body), body)


def _make(here: State, slug: str, found: Visible, date: date | None) -> tuple[bytes, bool]:
    """Make the proof, and say whether it is final: settled, and its signal in the journal, signed by a known key.

    A proof that is not final may be sealed any moment, and is made anew for each reader.
    """
    session, settled = date, None
    if here.lens.version is not None:
        session = date or here.published.newest_session(slug)
        settled = here.published.session(slug, session) if session else None
    nav, positions, orders, versions = settled or (None, [], [], [])
    with here.home.ledger.read() as db:
        sealed = _sealed_signal(db, here, slug, found, session, revealed=settled is not None) if session else None
        provenance = _provenance(db, session, versions[-1]["version"]) if session and versions else None
    if session is None or (settled is None and sealed is None):
        raise not_found("Settled session")
    verification = {
        "nav": nav and {"reported_nav" if name == "nav" else name: value for name, value in nav.items()},
        "positions": positions,
        "signal_attestation": sealed,
        "trades": orders,
    }
    proof = {
        "strategy": slug,
        "date": session,
        "simulated": here.simulated,
        "creator_counts": found.creator_counts._asdict(),
        "verification": verification,
        "data_provenance": provenance,
        "versions": versions,
        "how_to_verify": instructions(here, slug, session, verification),
    }
    return dumps(proof), settled is not None and (sealed is None or sealed["signer"] is not None)


def _sealed_signal(
    db: Session, here: State, slug: str, found: Visible, session: date, *, revealed: bool
) -> dict[str, Any] | None:
    signal = newest_revision(db, found.id, session)
    if signal is None:
        return None
    sealed = read_attestations(db, [signal.id])[signal.id]
    (evidence,) = show_evidence(here.signers, [sealed])
    revealed &= not signal.content_lost
    return {
        "revision": signal.revision,
        "signal_hash": signal.signal_hash,
        **(_revealed(slug, signal) if revealed else {"symbols_hash": None, "payload": None, "salt": None}),
        "owner_key": db.exec(select(Strategy.owner_key).where(Strategy.id == found.id)).one(),
        "owner_signature": signal.owner_signature,
        "received_at": signal.received_at,
        "deadline": signal.deadline,
        "committed": sealed.committed,
        **evidence,
        "record_path": sealed.path,
        "github_raw_url": raw_url(here.journal_remote, sealed.path),
    }


def _revealed(slug: str, signal: Signal) -> dict[str, str]:
    symbols = ",".join(item.partition("=")[0] for item in signal.portfolio.split(" "))
    sealed = payload(slug, signal.session, signal.revision, signal.salt, signal.portfolio)
    return {
        "symbols_hash": hashlib.sha256(symbols.encode()).hexdigest()[:16],
        "payload": sealed.decode(),
        "salt": signal.salt,
    }


def _provenance(db: Session, session: date, version: int) -> dict[str, Any] | None:
    """Inputs of the version shown; a newer version that is settled already is shown once it is published."""
    found = db.exec(select(Settlement).where(Settlement.session == session, Settlement.version == version)).first()
    if found is None:
        return None
    fields = ("version", "bars_sha256", "rules_sha256", "manifest_sha256", "settled_at")
    return {name: getattr(found, name) for name in fields} | {"manifest": orjson.Fragment(found.manifest)}
