"""Evaluation in the stores: which sessions wait for it, and what goes into evaluating them.

What is evaluated is said by the committed files alone. A file's run begins with the hash of the settlements it rests on,
so that a correction of any of them makes the session, and all after it, wait again.
"""

import hashlib
from collections.abc import Sequence
from datetime import date

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col, select

from domain.evaluation import CARRIED_SCHEMA, NAV_SCHEMA, STRATEGIES_SCHEMA, TRADING_SCHEMA
from domain.provenance import frame_sha256
from domain.sessions import EXCHANGE_ZONE
from models.datasets import BARS, EVALUATIONS, NAV, ORDERS
from models.enums import ExecutionPrice, Side
from models.lake import LakeFile
from models.settlement import Settlement
from models.strategies import Strategy
from models.users import User
from store.lake import Lake
from store.settlements import read_files

# Count up when a definition changes: every session is evaluated again then.
DEFINITIONS = 1
HISTORY_DIGITS, TERMS_DIGITS = 16, 8


def settled_histories(db: Session, through: date) -> dict[date, str]:
    """Map each settled session up to `through`, in order, to the hash of its settlement and all before it.

    Of a corrected session the newest version counts.
    """
    query = sa.select(col(Settlement.session), col(Settlement.manifest_sha256)).where(col(Settlement.session) <= through)
    newest = dict(db.execute(query.order_by(col(Settlement.session), col(Settlement.version))).tuples())
    histories, before = {}, str(DEFINITIONS)
    for session, manifest_sha256 in newest.items():
        before = hashlib.sha256(f"{before} {manifest_sha256}".encode()).hexdigest()
        histories[session] = before[:HISTORY_DIGITS]
    return histories


def unevaluated(db: Session, through: date) -> list[date]:
    """List the settled sessions up to `through` without an evaluation of what is settled now, oldest first."""
    query = select(LakeFile.session, LakeFile.run).where(
        LakeFile.dataset == EVALUATIONS.name, col(LakeFile.superseded_at).is_(None), LakeFile.session <= through
    )
    runs = {session: run for session, run in db.exec(query)}
    histories = settled_histories(db, through)
    return [session for session, history in histories.items() if not runs.get(session, "").startswith(history)]
