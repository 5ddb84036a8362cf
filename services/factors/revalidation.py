"""Revalidation: measures factors again on the current bars, after a correction of bars.

An active factor stays active with any figures. It was admitted by the bars of then; portfolios rest on it, and its
record out of sample, which decides its worth, would end by no fault of its owner's. Owner and operator are notified,
and draw the conclusion. A rejected one that passes now is ready to be submitted again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlmodel import Session, col, select

from countersign.domain.sessions import Sessions
from countersign.models.datasets import FACTOR_IC
from countersign.models.enums import FactorStatus, NoticeKind
from countersign.models.errors import CountersignError, RefusedError
from countersign.models.tables.factors import Factor, FactorSession
from countersign.services.factors.lifecycle import forget_figures
from countersign.services.factors.measuring import measure
from countersign.services.factors.validation import alone, reasons, stage_series, write_figures
from countersign.services.market.closes import Closes
from countersign.services.notifications.notifications import notify, resolve
from countersign.store.lake.lake import Lake, series_files

if TYPE_CHECKING:
    from countersign.domain.factors.validation import FactorReport

# Sessions between a session's values and the last price that their figures use.
REACH = 6
SHOWN = ("ic_mean", "ic_ir", "turnover", "sharpe")
Figures = tuple[float | None, ...]


@dataclass(frozen=True)
class Revalidated:
    """A factor's figures (SHOWN) before and after; `fails` are the checks it does not pass now, in words.

    `error` names the reason why it could not be measured; its figures are those before then.
    """

    factor: str
    name: str
    status: str
    before: Figures
    after: Figures
    fails: str
    error: str | None = None


def affected(db: Session, sessions: Sessions, since: date, until: date) -> list[str]:
    """List the factors, active or rejected, that were measured on bars from `since` to `until`."""
    days = sessions.between(sessions.days[0], since)
    first = days[-REACH - 1] if len(days) > REACH else sessions.days[0]
    measured = sa.select(col(FactorSession.factor_id)).where(
        col(FactorSession.factor_id) == col(Factor.id),
        col(FactorSession.session) >= first,
        col(FactorSession.session) <= col(Factor.validated_through),
        col(FactorSession.session) < until,
    )
    query = select(Factor.id).where(col(Factor.status).in_((FactorStatus.ACTIVE, FactorStatus.REJECTED)))
    return list(db.exec(query.where(measured.exists()).order_by(col(Factor.id))))


def revalidate(lake: Lake, sessions: Sessions, closes: Closes, factor_id: str, now: datetime) -> Revalidated | None:
    """Measure a factor again by the values that it was validated with; None if it is at work, or gone, by now.

    Figures and series become those of the bars that count now, and of the owner's other factors that are active now.
    Safe to repeat. A factor that cannot be measured, with values lost, stays as it was: `error` says so.
    """
    with lake.ledger.read() as db:
        factor = db.get(Factor, factor_id)
    if factor is None or factor.status not in {FactorStatus.ACTIVE, FactorStatus.REJECTED}:
        return None
    try:
        with alone(lake.ledger, factor_id, factor.name):
            report = measure(lake, sessions, closes, factor, factor.validated_through)
            staged = stage_series(lake, factor_id, report)
            with lake.ledger.write() as db:
                found = db.get(Factor, factor_id)
                if found is None or (found.status, found.validated_at) != (factor.status, factor.validated_at):
                    return None
                before = _figures(found)
                lake.commit(db, [staged], now)
                write_figures(found, report)
                after = _figures(found)
                _conclude(db, lake, found, report, now)
                return Revalidated(found.id, found.name, found.status, before, after, "; ".join(reasons(report)))
    except RefusedError:  # it is being validated
        return None
    except CountersignError as error:
        figures = _figures(factor)
        return Revalidated(factor.id, factor.name, factor.status, figures, figures, "", str(error))


def _figures(factor: Factor) -> Figures:
    return tuple(getattr(factor, name) for name in SHOWN)


def _conclude(db: Session, lake: Lake, factor: Factor, report: "FactorReport", now: datetime) -> None:
    db.add(factor)
    if factor.status == FactorStatus.ACTIVE:
        _notify(db, factor, report, now)
    elif report.passed:
        text = f"factor {factor.name} was rejected on bars that were corrected since, and passes now: submit it again"
        forget_figures(factor)
        # The next verdict is new, though the values are the same.
        factor.status, factor.revision = FactorStatus.READY, factor.revision + 1
        lake.replace(db, series_files(db, FACTOR_IC.name, factor.id), [], now)
        key = f"factor {factor.id} {factor.revision} ready again"
        notify(db, key, NoticeKind.FACTOR_REVALIDATED.value, text, now, factor.owner_id)
    else:
        factor.reject_reason = "; ".join(reasons(report))


def _notify(db: Session, factor: Factor, report: "FactorReport", now: datetime) -> None:
    """Notify owner and operator that an active factor does not pass any more, or resolve that notification."""
    key = f"factor {factor.id} fails"
    told: Sequence[tuple[str, str, int | None]] = (
        (key, NoticeKind.FACTOR_REVALIDATED.value, factor.owner_id),
        (f"{key}, operator", "factor fails", None),
    )
    text = f"factor {factor.name} stays active, but on corrected bars it does not pass: {'; '.join(reasons(report))}"
    for each, kind, user_id in told:
        if report.passed:
            resolve(db, each, now)
        else:
            notify(db, each, kind, text, now, user_id)
