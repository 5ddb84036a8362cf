"""Digests of the lens's versions: one that is not as it was published is neither extended nor read.

A new version begins as a copy of the one before, so foreign bytes in that would be published again and again.
The ledger keeps each version's identity, by which an unchanged file is known without hashing it. The watchdog adds the
digest: it tells a version that was copied or given another mode from one that was altered, and it finds rot.
"""

import json
from pathlib import Path

from sqlmodel import Session

from countersign.store.files import storage_errors
from countersign.store.lake.digests import ALTERED, identity, sha256_of
from countersign.store.ledger.facts import LENS_DIGESTS, keep_fact, read_fact
from countersign.store.ledger.ledger import Ledger


def keep_identity(ledger: Ledger, path: Path, kept: int, shown: str) -> None:
    """Record the identity of a version that is about to be published, and forget those before the last `kept`.

    `shown` names its contents, for `shown_by`.
    """
    with storage_errors(path):
        row = ["", identity(path.stat()), shown]
    with ledger.write() as db:
        known = {version: was for version, was in _read(db).items() if version != path.stem} | {path.stem: row}
        _keep(db, dict(list(known.items())[-kept:]))


def is_as_published(ledger: Ledger, path: Path) -> bool | None:
    """Whether a version is as it was published; None where it is not there, or the ledger knows nothing of it."""
    with ledger.read() as db:
        row = _read(db).get(path.stem)
    if row is None or not path.exists():
        return None
    sha256, published, *_ = row
    with storage_errors(path):
        return identity(path.stat()) == published or (sha256 != "" and sha256_of(path) == sha256)


def shown_by(ledger: Ledger, path: Path) -> str | None:
    """Return the name of a version's contents; None for one from before they were named."""
    with ledger.read() as db:
        _, _, *shown = _read(db).get(path.stem, ("", ""))
    return shown[0] if shown else None


def check_version(ledger: Ledger, path: Path) -> None:
    """Hash a version in any case, and record whether it is as it was published.

    Its first digest counts while its identity is the published one, and a later digest must be the same.
    """
    if not path.exists():
        return  # the link outlived it: the lens is not current then, and is made anew
    with storage_errors(path):
        now, found = identity(path.stat()), sha256_of(path)
        if identity(path.stat()) != now:
            return  # somebody writes to it; the identity tells that already
    with ledger.write() as db:
        known = _read(db)
        sha256, published, *shown = known.get(path.stem, ("", ""))
        if sha256:
            known[path.stem] = [sha256, now if found == sha256 else ALTERED, *shown]
        elif published == now:
            known[path.stem] = [found, now, *shown]
        _keep(db, known)


def _read(db: Session) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(read_fact(db, LENS_DIGESTS) or "{}")
    return found


def _keep(db: Session, known: dict[str, list[str]]) -> None:
    keep_fact(db, LENS_DIGESTS, json.dumps(known))
