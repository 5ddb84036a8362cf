"""Instrument: import instruments from a file, and from the provider of the market, once a session."""

from datetime import date, datetime
from pathlib import Path

import polars as pl
from sqlmodel import Session

from countersign.domain.market.listings import normalise_instruments
from countersign.models.errors import InputError, SourceRefused
from countersign.models.tables.operations import HomeFact
from countersign.services.market.instruments import put_instruments
from countersign.sources.files.tables import read_checked
from countersign.sources.market.providers import MarketProvider
from countersign.store.home import Home
from countersign.store.market import audit_import

# The fact that names the newest session with which the provider's instruments were fetched.
FETCHED = "instruments fetched"


def import_instruments(home: Home, path: Path, now: datetime) -> dict[str, object]:
    """Import instruments from a file; a value takes the place of the known one, none keeps it. Return the counts.

    InputError names the fault of the file; nothing is kept then.
    """
    listings = read_checked(path, normalise_instruments)
    with home.ledger.write() as db:
        changed = _put(db, listings, path.name, now)
    return {"what": "instruments", "rows": listings.height, "changed": changed}


def ingest_instruments(home: Home, provider: MarketProvider, session: date, now: datetime) -> int:
    """Fetch the provider's instruments unless that was done with this session or a later one; return how many changed.

    SourceBusy and SourceRefused as the provider says, or if its answer is no table of instruments.
    """
    with home.ledger.read() as db:
        fact = db.get(HomeFact, FETCHED)
    if fact is not None and fact.value >= session.isoformat():
        return 0
    fetched = provider.fetch_instruments()
    try:
        listings = normalise_instruments(fetched) if fetched.height else None
        with home.ledger.write() as db:
            changed = 0 if listings is None else _put(db, listings, f"of {session}", now)
            db.merge(HomeFact(key=FETCHED, value=session.isoformat()))
    except InputError as error:
        raise SourceRefused(f"the provider's instruments make no sense: {error}") from error
    return changed


def _put(db: Session, listings: pl.DataFrame, subject: str, now: datetime) -> int:
    changed = put_instruments(db, listings)
    audit_import(db, "instruments", subject, changed, now)
    return changed
