"""Measuring a factor: reads the engine's inputs from lake and ledger, one other factor at a time.

The engine brings a compiler in, 60 MB of it: it is imported where a factor is measured, not where values are uploaded.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col

from countersign.domain.sessions import Sessions
from countersign.models.enums import FactorStatus
from countersign.models.errors import RefusedError
from countersign.models.tables.factors import Factor
from countersign.models.tables.market import UniverseMember
from countersign.services.factors.lifecycle import list_factors, stretch_of
from countersign.services.factors.values import read_values
from countersign.services.market.closes import Closes
from countersign.store.lake.lake import Lake

if TYPE_CHECKING:
    from countersign.domain.factors.validation import FactorReport


class StoredValues(Mapping[str, pl.DataFrame]):
    """Values of factors by id, read when they are asked for and not kept: twenty of them would fill the memory."""

    def __init__(self, lake: Lake, factor_ids: list[str]) -> None:
        self._lake, self._ids = lake, factor_ids

    def __getitem__(self, factor_id: str) -> pl.DataFrame:
        """Read the current values of one factor."""
        if factor_id not in self._ids:
            raise KeyError(factor_id)
        return values_of(self._lake, factor_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


def measure(lake: Lake, sessions: Sessions, closes: Closes, factor: Factor, through: date | None) -> "FactorReport":
    """Measure a factor's current values on the lake's closes, against its owner's other active factors.

    Values up to the session `through` are measured. It must have closed: a later one has no outcome to be measured by,
    and would still count as a day of data. RefusedError if there are no values.
    """
    from countersign.domain.factors.validation import evaluate_factor  # noqa: PLC0415 - see above

    values = values_of(lake, factor.id, through)
    with lake.ledger.read() as db:
        if values.is_empty():
            begin = stretch_of(db, factor.id).first
            raise RefusedError(
                f"values: expected some of sessions up to {through}; those of {factor.name} begin {begin}"
            )
        members = _members(db, factor.universe, values["session"].unique())
        others = active_others(db, factor)
    first: date = values["session"].min()  # type: ignore[assignment]
    prices = closes.read(values["symbol"], first)
    return evaluate_factor(values, prices, members, StoredValues(lake, [each.id for each in others]), sessions.days)


def correlate(lake: Lake, factor: Factor) -> list[tuple[Factor, float | None]]:
    """Correlate a factor with its owner's other active ones, the most alike first; None: too little in common."""
    from countersign.domain.factors.figures import mean  # noqa: PLC0415 - see above
    from countersign.domain.factors.panel import correlations, rank_values, session_codes  # noqa: PLC0415

    with lake.ledger.read() as db:
        others = active_others(db, factor)
    values = values_of(lake, factor.id)
    if values.is_empty() or not others:
        return [(other, None) for other in others]
    ranks, days = rank_values(values), values["session"].unique().sort()
    found: list[tuple[Factor, float | None]] = []
    for other in others:
        theirs = rank_values(values_of(lake, other.id))
        found.append((other, mean(correlations(ranks, theirs, session_codes(days, theirs.sessions))[0])))
    return sorted(found, key=lambda pair: (-abs(pair[1] or 0.0), pair[1] is None))


def values_of(lake: Lake, factor_id: str, through: date | None = None) -> pl.DataFrame:
    """Read one factor's current values, up to a session if one is given: session, symbol, value."""
    return read_values(lake, [factor_id], through=through).drop("factor")


def active_others(db: Session, factor: Factor) -> list[Factor]:
    """List the other active factors of a factor's owner."""
    active = list_factors(db, factor.owner_id, status=FactorStatus.ACTIVE, order="created_at")
    return [other for other in active if other.id != factor.id]


def _members(db: Session, universe: str, days: pl.Series) -> pl.DataFrame | None:
    """Read the members of a universe on each of these sessions; None if none are known."""
    columns = [col(getattr(UniverseMember, name)) for name in ("symbol", "since", "until")]
    rows = db.execute(sa.select(*columns).where(col(UniverseMember.universe) == universe)).all()
    if not rows:
        return None
    schema = {"symbol": pl.String, "since": pl.Date, "until": pl.Date}
    stretches = pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")
    lasting = stretches.with_columns(pl.col("until").fill_null(date.max))
    found = (
        days.alias("session")
        .to_frame()
        .join_where(lasting, pl.col("session") >= pl.col("since"), pl.col("session") <= pl.col("until"))
    )
    return found.select("session", "symbol").unique()
