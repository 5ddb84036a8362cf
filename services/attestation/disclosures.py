"""Disclosures: the records of a settled session for the journal, read from the ledger and the lake."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from itertools import takewhile

import orjson
import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.domain.attestation.fields import read_fields
from countersign.domain.attestation.records import (
    parse_instant,
    reveal_path,
    reveal_record,
    settled_path,
    settled_record,
)
from countersign.domain.market.quotes import ACTIONS_SCHEMA
from countersign.domain.provenance import read_rows
from countersign.domain.signals.payload import payload
from countersign.models.datasets import NAV, ORDERS, POSITIONS, Dataset
from countersign.models.enums import StrategyStatus
from countersign.models.tables.attestation import Disclosure
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import StatusChange, Strategy
from countersign.services.settlement.inputs import read_files
from countersign.services.settlement.settled import correction_under_way, last_strategy_id
from countersign.services.settlement.terms import read_terms
from countersign.store.home import Home
from countersign.store.journal.journal import Writer


def due_settlements(db: Session, aside: Collection[int] = ()) -> list[int]:
    """List the ids of the settlements that are not disclosed yet, oldest first; they are disclosed in that order.

    Those that are set `aside` are left out.

    Of a correction under way nothing is disclosed: readers of the journal must not meet days that do not fit together.
    """
    newest = db.exec(select(func.max(Disclosure.settlement_id))).one() or 0
    query = select(Settlement.id, Settlement.version).where(col(Settlement.id) > newest)
    due = list(db.exec(query.order_by(col(Settlement.id))))
    if any(version > 1 for _, version in due) and correction_under_way(db):
        due = list(takewhile(lambda row: row[1] == 1, due))
    return [settlement_id for settlement_id, _ in due if settlement_id not in aside]


def settlement_to_disclose(home: Home, writer: Writer, settlement_id: int) -> Settlement:
    """Read a settlement. One that the journal has already, of the same manifest, takes its time from there.

    That is a day settled again in a ledger that was restored from before it.
    """
    with home.ledger.read() as db:
        settlement = db.get_one(Settlement, settlement_id)
    known = writer.read(settled_path(settlement.session, settlement.version))
    settled_at = _settled_before(known, settlement.manifest_sha256) if known else None
    if settled_at is None or settled_at == settlement.settled_at:
        return settlement
    with home.ledger.write() as db:
        settlement = db.get_one(Settlement, settlement_id)
        settlement.settled_at = settled_at
        db.add(settlement)
    return settlement


def _settled_before(record: bytes, manifest_sha256: str) -> datetime | None:
    try:
        fields = read_fields(record)
        return parse_instant(fields["settled_at"]) if fields["manifest_sha256"] == manifest_sha256 else None
    except (ValueError, KeyError):
        return None


def disclosed_files(home: Home, settlement: Settlement) -> dict[str, bytes]:
    """Return the files that disclose a settlement: a reveal for each revision of its signals, and the day's record."""
    session = settlement.session
    manifest = orjson.loads(settlement.manifest)
    with home.ledger.read() as db:
        signals = _signals(db, settlement)
        paused = _paused(db, session)

    def results(dataset: Dataset) -> list[str]:
        # By their names: a correction may have superseded them since.
        return [file["path"] for file in manifest["files"] if file["path"].startswith(f"{dataset.name}/")]

    nav, orders, positions = (read_files(home.lake, each, results(each)) for each in (NAV, ORDERS, POSITIONS))
    files = {
        reveal_path(slug, session, revision): reveal_record(
            payload(slug, session, revision, salt, portfolio), signal_hash
        )
        for slug, revision, salt, portfolio, signal_hash in signals
    }
    files[settled_path(session, settlement.version)] = settled_record(
        session=session,
        version=settlement.version,
        simulated=home.clock.simulated,
        settled_at=settlement.settled_at,
        bars_sha256=settlement.bars_sha256,
        rules_sha256=settlement.rules_sha256,
        manifest=manifest,
        manifest_sha256=settlement.manifest_sha256,
        actions=read_rows(manifest["inputs"]["actions"], ACTIONS_SCHEMA),
        nav=nav,
        paused=paused,
        orders=orders,
        positions=positions,
    )
    return files


def _signals(db: Session, settlement: Settlement) -> Sequence[sa.Row[tuple[str, int, str, str, str]]]:
    columns = (Strategy.slug, Signal.revision, Signal.salt, Signal.portfolio, Signal.signal_hash)
    query = sa.select(*(col(column) for column in columns)).join(Strategy, col(Strategy.id) == col(Signal.strategy_id))
    there = (col(Signal.session) == settlement.session, col(Signal.portfolio) != "")
    return db.connection().execute(query.where(*there)).all()


def _paused(db: Session, session: date) -> Iterable[str]:
    """List the strategies that settlement took as paused; where nobody ever was, the terms need no reading."""
    interrupted = col(StatusChange.status).in_((StrategyStatus.PAUSED, StrategyStatus.RETIRED))
    if db.exec(select(StatusChange.id).where(interrupted).limit(1)).first() is None:
        return []
    return read_terms(db, session, 0, last_strategy_id(db)).filter("paused")["strategy"]
