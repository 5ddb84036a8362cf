"""Factors in the ledger: opening, listing, changing and deleting them, each for its owner alone."""

from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.models.datasets import FACTOR_IC, FACTOR_VALUES
from countersign.models.enums import FactorStatus, FactorUniverse
from countersign.models.errors import MissingError, RefusedError
from countersign.models.tables.accounts import User
from countersign.models.tables.factors import Factor, FactorFigures, FactorSession, FactorTerms
from countersign.models.tables.operations import AuditEntry, account
from countersign.store.lake.lake import Lake, series_files

# Columns that lists can be ordered by; a minus turns the order round.
ORDERS = {"created_at": col(Factor.created_at), "ic_mean": col(Factor.ic_mean), "ic_ir": col(Factor.ic_ir)}
CHANGEABLE = (FactorStatus.DRAFT, FactorStatus.REJECTED)


class Stretch(NamedTuple):
    """Stretch of a factor's values: the count of sessions, the first and the last."""

    sessions: int
    first: date | None
    last: date | None


def open_factor(db: Session, owner: User, terms: FactorTerms, now: datetime) -> Factor:
    """Open a factor without values."""
    factor = Factor(**terms.model_dump(), owner_id=owner.id, created_at=now)
    db.add(factor)
    db.flush()
    return factor


def own_factor(db: Session, owner_id: int, factor_id: str) -> Factor:
    """Return an account's factor; MissingError if there is none, or it is another account's."""
    found = db.get(Factor, factor_id) if factor_id.isprintable() else None
    if found is None or found.owner_id != owner_id:
        raise MissingError("Factor")
    return found


def list_factors(
    db: Session,
    owner_id: int,
    *,
    status: FactorStatus | None = None,
    universe: FactorUniverse | None = None,
    order: str = "-created_at",
    limit: int | None = None,
    offset: int = 0,
) -> list[Factor]:
    """List an account's factors in an order of ORDERS; unknown figures come last."""
    column = ORDERS[order.removeprefix("-")]
    ordered = (column.desc() if order.startswith("-") else column.asc()).nulls_last()
    query = select(Factor).where(Factor.owner_id == owner_id)
    if status is not None:
        query = query.where(Factor.status == status)
    if universe is not None:
        query = query.where(Factor.universe == universe)
    return list(db.exec(query.order_by(ordered, col(Factor.id)).limit(limit).offset(offset)))


def change_factor(db: Session, factor: Factor, changes: dict[str, Any]) -> None:
    """Change a factor's words; RefusedError unless it is a draft or rejected."""
    _require_changeable(factor, "changed")
    factor.sqlmodel_update(changes)
    db.add(factor)


def delete_factor(db: Session, lake: Lake, factor: Factor, now: datetime) -> None:
    """Delete a factor with its values; RefusedError unless it is a draft or rejected.

    Files of the lake are never removed: from now on no reader counts them.
    """
    _require_changeable(factor, "deleted")
    for dataset in (FACTOR_VALUES, FACTOR_IC):
        lake.replace(db, series_files(db, dataset.name, factor.id), [], now)
    db.execute(sa.delete(FactorSession).where(col(FactorSession.factor_id) == factor.id))
    db.flush()
    db.delete(factor)
    actor = account(factor.owner_id)
    db.add(AuditEntry(at=now, actor=actor, action="factor deleted", subject=factor.id, detail=factor.name))


def stretch_of(db: Session, factor_id: str) -> Stretch:
    """Return the stretch of sessions for which a factor has values."""
    session = col(FactorSession.session)
    query = sa.select(func.count(), func.min(session), func.max(session))
    return Stretch(*db.execute(query.where(col(FactorSession.factor_id) == factor_id)).one())


def forget_figures(factor: Factor) -> None:
    """Forget the figures of validation: they are of other values than the current ones."""
    for name in (*FactorFigures.model_fields, "submitted_at", "validated_at", "validated_through"):
        setattr(factor, name, None)


def _require_changeable(factor: Factor, what: str) -> None:
    if factor.status not in CHANGEABLE:
        raise RefusedError(f"status: {factor.name} is {factor.status}; only a draft or rejected factor can be {what}")
