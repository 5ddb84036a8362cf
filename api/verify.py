"""Router of the public proof: all there is to one settled session, so that anybody can check it."""

import hashlib
from datetime import date
from typing import Annotated, Any

import orjson
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.answers import dumps, etag, tagged
from api.errors import not_found, problems
from api.instructions import instructions, raw_url
from api.public import UNCHANGED, UNPUBLISHED, find
from api.state import Here, State
from domain.attestation import evidence, margin_seconds, seal_path, time_class, timestamp_path
from domain.signals import payload
from models.signals import Signal
from models.wire.base import Day
from models.wire.public import VerifyAnswer
from store.history import find_signal
from store.published import newest_session, read_session
from store.seals import Sealed, read_timestamps
from store.settlements import settlement_of
from store.visible import Visible

router = APIRouter(prefix="/api/v1/public/strategies", tags=["public"])


@router.get("/{slug}/verify", response_model=VerifyAnswer, responses=problems(404) | UNCHANGED)
async def verify(
    request: Request,
    here: Here,
    slug: str,
    date: Annotated[Day | None, Query(description="default: the newest settled session")] = None,
) -> Response:
    """Show NAV, positions, orders, the signal with its seal, and what it was all made from; and how to check it.

    Of a session that is not settled yet, only the seal's hash is shown, never the portfolio.
    """
    if not await here.shown.contains(slug):
        raise not_found("Strategy")
    version = here.lens.version or UNPUBLISHED
    key = ("verify", slug, date)
    tag, body = etag(version, *key), here.cache.find(version, key)
    if body is not None:
        return tagged(request, tag, body)
    made, final = await to_thread.run_sync(_make, here, slug, date)
    if final:
        here.cache.keep(version, key, made)
    return tagged(request, tag if final else etag(made), made)


def _make(here: State, slug: str, date: date | None) -> tuple[bytes, bool]:
    """Make the proof, and say whether it is final: settled, and its signal in the journal.

    What is not may be sealed any moment, and is made anew for each reader.
    """
    found, session, settled = find(here, slug), date, None
    if here.lens.version is not None:
        with here.lens.use() as lens:
            session = date or newest_session(lens, slug)
            settled = read_session(lens, slug, session) if session else None
    sealed = _sealed_signal(here, found, session, revealed=settled is not None) if session else None
    if session is None or (settled is None and sealed is None):
        raise not_found("Settled session")
    nav, positions, orders = settled or (None, [], [])
    verification = {"nav": nav, "positions": positions, "signal_attestation": sealed, "trades": orders}
    proof = {
        "strategy": slug,
        "date": session,
        "simulated": here.simulated,
        "verification": verification,
        "data_provenance": _provenance(here, session) if settled else None,
        "how_to_verify": instructions(here, slug, session, verification),
    }
    return dumps(proof), settled is not None and (sealed is None or sealed["committed"])


def _sealed_signal(here: State, found: Visible, session: date, *, revealed: bool) -> dict[str, Any] | None:
    with here.home.ledger.read() as db:
        record = find_signal(db, found.id, session)
        if record is None:
            return None
        stamps = read_timestamps(db, record.seal.commit_sha) if record.seal else []
    slug, signal = found.shown["slug"], record.signal
    path = seal_path(slug, session, signal.revision)
    return {
        "revision": signal.revision,
        "signal_hash": signal.signal_hash,
        **(_revealed(slug, signal) if revealed else {"symbols_hash": None, "payload": None, "salt": None}),
        "received_at": signal.received_at,
        "deadline": signal.deadline,
        "margin_seconds": margin_seconds(signal.received_at, signal.deadline),
        **_commit(found.shown["execution_price"], signal, record.seal),
        "evidence": evidence(signal.deadline, [stamp.stamped_at for stamp in stamps]),
        "tokens": [timestamp_path(stamp.commit_sha, stamp.authority) for stamp in stamps],
        "record_path": path,
        "github_raw_url": raw_url(here.journal_remote, path),
    }


def _revealed(slug: str, signal: Signal) -> dict[str, str]:
    symbols = ",".join(item.partition("=")[0] for item in signal.portfolio.split(" "))
    sealed = payload(slug, signal.session, signal.revision, signal.salt, signal.portfolio)
    return {
        "symbols_hash": hashlib.sha256(symbols.encode()).hexdigest()[:16],
        "payload": sealed.decode(),
        "salt": signal.salt,
    }


def _commit(execution_price: str, signal: Signal, seal: Sealed | None) -> dict[str, Any]:
    if seal is None:
        return {"committed": False, "commit_sha": None, "commit_time": None, "time_class": None}
    judged = time_class(execution_price, signal.deadline, seal.commit_time)
    return {"committed": True, "commit_sha": seal.commit_sha, "commit_time": seal.commit_time, "time_class": judged}


def _provenance(here: State, session: date) -> dict[str, Any] | None:
    with here.home.ledger.read() as db:
        found = settlement_of(db, session)
    if found is None:
        return None
    fields = ("version", "bars_sha256", "rules_sha256", "manifest_sha256", "settled_at")
    return {name: getattr(found, name) for name in fields} | {"manifest": orjson.loads(found.manifest)}
