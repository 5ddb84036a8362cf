"""Out-of-sample tracking in the stores: the sessions that wait for it, and its inputs.

The committed files alone say which sessions are tracked. A file's run names its inputs: the bars of the two sessions
after it, and the values of then. Corrected bars, or values that came later, make the session wait again.
"""

import hashlib
from collections.abc import Collection
from datetime import date, datetime
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from countersign.domain.factors.values import in_time_until
from countersign.domain.sessions import Sessions
from countersign.models.datasets import BARS, FACTOR_IC
from countersign.models.enums import FactorStatus, Phase
from countersign.models.tables.factors import Factor, FactorSession
from countersign.models.tables.lake import LakeFile
from countersign.store.lake.lake import Lake

# Count up when a definition changes: every session is tracked again then.
DEFINITIONS = 1
RUN_DIGITS = 16
IN_TIME_SCHEMA = {"factor": pl.String, "session": pl.Date, "in_time": pl.Boolean}


def trackable(db: Session, sessions: Sessions, through: date) -> dict[date, str]:
    """Map out-of-sample sessions to their runs, in order, if their forward return is known by the close of `through`.

    A return is known when the bars of both sessions after it are committed. Sessions that no factor has values for are
    left out.
    """
    uploads = _uploads(db, through)
    if not uploads:
        return {}
    first = min(uploads)
    bars = _newest_column(db, BARS.name, "sha256", first, through)
    days = sessions.between(first, through)
    found = {}
    for session, following, second in zip(days, days[1:], days[2:], strict=False):
        if session in uploads and following in bars and second in bars:
            inputs = (DEFINITIONS, session, bars[following], bars[second], *uploads[session])
            found[session] = hashlib.sha256(" ".join(map(str, inputs)).encode()).hexdigest()[:RUN_DIGITS]
    return found


def untracked(db: Session, sessions: Sessions, through: date) -> dict[date, str]:
    """Map the sessions that are not tracked with their current inputs to their runs, oldest first."""
    due = trackable(db, sessions, through)
    held = _newest_column(db, FACTOR_IC.name, "run", min(due), through) if due else {}
    return {session: run for session, run in due.items() if held.get(session) != run}


def read_closes(lake: Lake, sessions: tuple[date, date]) -> pl.DataFrame:
    """Read the adjusted closes of two sessions: session, symbol, close × adj_factor.

    An unknown adjustment factor is the other session's, as it is in `services.market.closes`.
    """
    bars = lake.scan(BARS, *sessions).filter(pl.col("session").is_in(sessions), pl.col("close") > 0).collect()
    factor = pl.col("adj_factor").forward_fill().backward_fill().over("symbol").fill_null(1.0)
    return bars.sort("session").select("session", "symbol", pl.col("close") * factor)


def read_tracked(lake: Lake, without: Collection[date] = ()) -> pl.DataFrame:
    """Read every out-of-sample IC, but for those of some sessions: factor, session, ic; in no promised order."""
    files = [file for file in lake.files(FACTOR_IC) if file.series is None and file.session not in without]
    tracked = lake.scan_files(FACTOR_IC, files).filter(pl.col("phase") == Phase.OS)
    return tracked.select("factor", "session", "ic").collect()


def read_in_time(db: Session, sessions: Sessions, through: date) -> pl.DataFrame:
    """Read whether each active factor's out-of-sample sessions, up to one, came in time: factor, session, in_time."""
    columns = [col(getattr(FactorSession, name)) for name in ("factor_id", "session", "uploaded_at")]
    query = _out_of_sample(sa.select(*columns))
    limits: dict[date, datetime] = {}
    rows = []
    for factor, session, uploaded_at in db.execute(query.where(col(FactorSession.session) <= through)):
        if session not in limits:
            limits[session] = in_time_until(sessions, session)
        rows.append((factor, session, uploaded_at < limits[session]))
    return pl.DataFrame(rows, schema=IN_TIME_SCHEMA, orient="row")


def tracked_factors(db: Session) -> list[Factor]:
    """List the factors that are tracked: the active ones."""
    return list(db.exec(select(Factor).where(_TRACKED)))


def read_active(db: Session) -> pl.DataFrame:
    """Read the factors that are tracked, and since when: factor, os_start_date."""
    query = sa.select(col(Factor.id), col(Factor.os_start_date)).where(_TRACKED).order_by(col(Factor.id))
    rows = [tuple(row) for row in db.execute(query)]
    return pl.DataFrame(rows, schema={"factor": pl.String, "os_start_date": pl.Date}, orient="row")


def write_tracking(db: Session, figures: pl.DataFrame) -> None:
    """Write measured figures into the factors' rows: factor, and columns of FactorTracking."""
    rows = figures.rename({"factor": "id"}).to_dicts()
    if rows:
        db.execute(sa.update(Factor), rows)


_TRACKED = sa.and_(col(Factor.status) == FactorStatus.ACTIVE, col(Factor.os_start_date).is_not(None))


def _out_of_sample(query: sa.Select[Any]) -> sa.Select[Any]:
    """Narrow a query of the sessions with values to those of active factors since they were admitted."""
    joined = query.join(Factor, col(Factor.id) == col(FactorSession.factor_id))
    return joined.where(_TRACKED, col(FactorSession.session) >= col(Factor.os_start_date))


def _uploads(db: Session, through: date) -> dict[date, tuple[int, int, datetime]]:
    """Count the factors and values of each out-of-sample session, with the time when the last of them came."""
    figures = (func.count(), func.sum(col(FactorSession.symbols)), func.max(col(FactorSession.uploaded_at)))
    query = _out_of_sample(sa.select(col(FactorSession.session), *figures))
    rows = db.execute(query.where(col(FactorSession.session) <= through).group_by(col(FactorSession.session)))
    return {session: (count, symbols, newest) for session, count, symbols, newest in rows}


def _newest_column(db: Session, dataset: str, what: str, since: date, through: date) -> dict[date, str]:
    """Map sessions to a column of the files that count, one file a session."""
    query = sa.select(col(LakeFile.session), col(getattr(LakeFile, what))).where(
        col(LakeFile.dataset) == dataset,
        col(LakeFile.series).is_(None),
        col(LakeFile.superseded_at).is_(None),
        col(LakeFile.session).between(since, through),
    )
    return dict(db.execute(query).tuples().all())
