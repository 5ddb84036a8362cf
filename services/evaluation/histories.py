"""Sessions that wait for evaluation.

The committed files alone say which sessions are evaluated. A file's run begins with the hash of the settlements that it
rests on, so that a correction of any of them makes the session, and all after it, wait again.
"""

import hashlib
from datetime import date

import sqlalchemy as sa
from sqlmodel import Session, col

from countersign.models.datasets import EVALUATIONS
from countersign.models.tables.lake import LakeFile
from countersign.models.tables.settlement import Settlement

# Count up when a definition changes: every session is evaluated again then.
DEFINITIONS = 2
HISTORY_DIGITS = 16


def settled_histories(db: Session, through: date) -> dict[date, str]:
    """Map each settled session up to `through`, in order, to the hash of its settlement and all before it.

    Of a corrected session the newest version counts.
    """
    query = sa.select(col(Settlement.session), col(Settlement.manifest_sha256)).where(
        col(Settlement.session) <= through
    )
    newest = dict(db.execute(query.order_by(col(Settlement.session), col(Settlement.version))).tuples().all())
    histories, before = {}, str(DEFINITIONS)
    for session, manifest_sha256 in newest.items():
        before = hashlib.sha256(f"{before} {manifest_sha256}".encode()).hexdigest()
        histories[session] = before[:HISTORY_DIGITS]
    return histories


def unevaluated(db: Session, through: date) -> list[date]:
    """List the settled sessions up to `through` without an evaluation of their current settlement, oldest first."""
    query = sa.select(col(LakeFile.session), col(LakeFile.run)).where(
        col(LakeFile.dataset) == EVALUATIONS.name,
        col(LakeFile.superseded_at).is_(None),
        col(LakeFile.session) <= through,
    )
    runs = dict(db.execute(query).tuples().all())
    histories = settled_histories(db, through)
    return [session for session, history in histories.items() if not runs.get(session, "").startswith(history)]
