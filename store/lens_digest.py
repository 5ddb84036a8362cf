"""Digests of the lens's versions: one that is not as it was published is neither extended nor read.

A new version begins as a copy of the one before, so foreign bytes in that would be published again and again.
The ledger keeps each version's digest, and its identity, by which an unchanged file is known without hashing it.
"""

import json
from pathlib import Path

from sqlmodel import Session

from store.digests import identity, sha256_of
from store.facts import LENS_DIGESTS, keep_fact, read_fact
from store.files import storage_errors
from store.ledger import Ledger


def keep_digest(ledger: Ledger, path: Path, kept: int) -> None:
    """Record the digest of a version that is about to be published, and forget those before the last `kept`."""
    with storage_errors(path):
        row = [sha256_of(path), identity(path.stat())]
    with ledger.write() as db:
        known = {version: was for version, was in _read(db).items() if version != path.stem} | {path.stem: row}
        keep_fact(db, LENS_DIGESTS, json.dumps(dict(list(known.items())[-kept:])))


def is_as_published(ledger: Ledger, path: Path) -> bool | None:
    """Whether a version is as it was published; None where the ledger knows no digest of it."""
    with ledger.read() as db:
        row = _read(db).get(path.stem)
    if row is None:
        return None
    with storage_errors(path):
        return row[1] == identity(path.stat()) or row[0] == sha256_of(path)


def _read(db: Session) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(read_fact(db, LENS_DIGESTS) or "{}")
    return found
