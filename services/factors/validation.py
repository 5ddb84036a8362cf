"""Validation of a factor: measured by one process at a time, then admitted or rejected in one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl
from sqlmodel import Session

from countersign.domain.sessions import Sessions
from countersign.models.datasets import FACTOR_IC
from countersign.models.enums import FactorStatus, NoticeKind, Phase
from countersign.models.errors import LeaseError, RefusedError
from countersign.models.tables.factors import Factor
from countersign.services.factors.lifecycle import own_factor
from countersign.services.factors.measuring import measure
from countersign.services.market.closes import Closes
from countersign.services.notifications.notifications import notify
from countersign.store.lake.lake import Lake, StagedFile
from countersign.store.ledger.leases import lease
from countersign.store.ledger.ledger import Ledger

if TYPE_CHECKING:
    from countersign.domain.factors.validation import AdmissionCheck, FactorReport

# Figure of each check, and its requirement.
CHECKS = {
    "IC_MEAN": ("ic_mean", "an absolute value above {}"),
    "IC_IR": ("ic_ir", "an absolute value above {}"),
    "HIGH_TURNOVER": ("turnover", "less than {}"),
    "SELF_CORRELATION": ("max_correlation", "an absolute value below {}"),
    "DATA_COVERAGE": ("data_days", "at least {}"),
}
FIGURES = ("ic_mean", "ic_ir", "turnover", "sharpe", "fitness", "coverage", "data_days", "max_correlation")


def validate(lake: Lake, sessions: Sessions, closes: Closes, owner_id: int, factor_id: str, now: datetime) -> Factor:
    """Measure a ready factor and make it active or rejected; notify its owner.

    Values of closed sessions are measured; values uploaded ahead are out of sample from the start.
    RefusedError unless it is ready, and if all of its values are ahead. A validation that was cut off is simply
    begun again; one that fails leaves the factor ready.
    """
    with lake.ledger.read() as db:
        name = own_factor(db, owner_id, factor_id).name
    with alone(lake.ledger, factor_id, name):
        factor = _begin(lake.ledger, owner_id, factor_id, now)
        try:
            closed = sessions.newest_closed(now)
            report = measure(lake, sessions, closes, factor, closed)
            since = sessions.next(closed)
            staged = stage_series(lake, factor_id, report)
        except BaseException:
            _step_back(lake.ledger, factor_id)
            raise
        with lake.ledger.write() as db:
            factor = db.get_one(Factor, factor_id)
            lake.commit(db, [staged], now)
            write_figures(factor, report)
            _decide(db, factor, report, since, now)
        return factor


def stage_series(lake: Lake, factor_id: str, report: "FactorReport") -> StagedFile:
    """Write the in-sample series of a report, to be committed with its figures."""
    frame = report.ic.join(report.ls_returns.select("session", "ls_return"), on="session", how="left").select(
        pl.lit(factor_id).alias("factor"),
        "session",
        "ic",
        pl.col("symbols").cast(pl.Int32),
        "ls_return",
        pl.lit(str(Phase.IS)).alias("phase"),
    )
    return lake.stage(FACTOR_IC, _newest(report), frame, series=factor_id)


def write_figures(factor: Factor, report: "FactorReport") -> None:
    """Put a report's figures and checks into the factor's row. Its status is not touched."""
    for name in FIGURES:
        setattr(factor, name, getattr(report, name))
    factor.newey_west_t, factor.ic_sign_share = report.newey_west_t, report.ic_positive_share
    factor.ic_decay = orjson.dumps(report.ic_decay).decode()
    factor.yearly_stats = orjson.dumps([year._asdict() for year in report.yearly_stats]).decode()
    factor.checks = orjson.dumps([_shape(name, check) for name, check in report.checks.items()]).decode()


def _shape(name: str, check: "AdmissionCheck") -> dict[str, Any]:
    return {"name": name, "metric": CHECKS[name][0], **check._asdict()}


@contextmanager
def alone(ledger: Ledger, factor_id: str, name: str) -> Iterator[None]:
    """Be the only one to validate a factor for the block; RefusedError while another process does."""
    try:
        with lease(ledger, f"validate {factor_id}"):
            yield
    except LeaseError:
        raise RefusedError(f"status: {name} is being validated already") from None


def _begin(ledger: Ledger, owner_id: int, factor_id: str, now: datetime) -> Factor:
    with ledger.write() as db:
        factor = own_factor(db, owner_id, factor_id)
        # Validating, and yet no process is at it: the one that was has died.
        if factor.status not in {FactorStatus.READY, FactorStatus.VALIDATING}:
            raise RefusedError(f"status: {factor.name} is {factor.status}, expected ready")
        factor.status, factor.submitted_at = FactorStatus.VALIDATING, now
        db.add(factor)
    return factor


def _step_back(ledger: Ledger, factor_id: str) -> None:
    with ledger.write() as db:
        factor = db.get_one(Factor, factor_id)
        factor.status, factor.submitted_at = FactorStatus.READY, None
        db.add(factor)


def _newest(report: "FactorReport") -> date:
    newest: date = report.ic["session"].max()  # type: ignore[assignment]
    return newest


def _decide(db: Session, factor: Factor, report: "FactorReport", since: date, now: datetime) -> None:
    factor.validated_at, factor.validated_through = now, _newest(report)
    factor.status = FactorStatus.ACTIVE if report.passed else FactorStatus.REJECTED
    factor.os_start_date = since if report.passed else None
    factor.reject_reason = None if report.passed else "; ".join(reasons(report))
    db.add(factor)
    verdict = f"rejected: {factor.reject_reason}" if factor.reject_reason else "accepted, and is tracked from now on"
    text = f"factor {factor.name} was {verdict}"
    kind = NoticeKind.FACTOR_REJECTED if factor.reject_reason else NoticeKind.FACTOR_ACCEPTED
    notify(db, f"factor {factor.id} {factor.revision}", kind.value, text, now, factor.owner_id)


def reasons(report: "FactorReport") -> Iterator[str]:
    """Say which checks a report fails, in words."""
    for name, check in report.checks.items():
        if not check.passed:
            metric, expected = CHECKS[name]
            got = "none" if check.value is None else f"{check.value:.4g}"
            yield f"{name}: expected {metric} of {expected.format(check.threshold)}, got {got}"
