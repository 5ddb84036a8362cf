"""External signals in the lens: views over two tables, each extended by the rows that came since the version before.

Outcomes come long after the signals: in a table of their own they are written without touching a million rows.
They are read from the ledger, where they are few, append-only and numbered, and not by way of the lake: a day of them
is not whole before it is over, and the newest matter most. See ADR 10.
"""

# ruff: noqa: S608 - every name in these queries is a constant of ours

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from countersign.models.lens.external import EXTERNAL_GAPS, EXTERNAL_OUTCOMES, EXTERNAL_SIGNALS, PRICE
from countersign.models.lens.table import LensTable
from countersign.models.tables.external import ExternalSignal
from countersign.services.external.outcomes import newest_change, read_changes
from countersign.services.external.reader import newest_id, read_gaps, read_rows
from countersign.store.ledger.ledger import Ledger

if TYPE_CHECKING:
    import duckdb

# The columns that the ledger has of a signal itself; the others are those of its outcome.
COLUMNS = tuple(name for name in EXTERNAL_SIGNALS.columns if name in ExternalSignal.model_fields)
ROWS_AT_ONCE = 50_000
MOST_GAPS = 1_000_000
NUMBER = {"id": ("BIGINT", "number of the revision; grows in the order in which they came")}
ROWS = LensTable(
    "external_row",
    "Rows of the view external_signals",
    NUMBER | {name: EXTERNAL_SIGNALS.columns[name] for name in ("source", *COLUMNS)},
)
# The ledger has numbers of signals as texts, digit for digit.
AS_TEXT = {name: pl.String() for name, (sql_type, _) in ROWS.columns.items() if sql_type in {PRICE, "DOUBLE"}}
# Columns of an outcome other than `known_at` and the columns of ROWS.
VERDICT = tuple(name for name in EXTERNAL_OUTCOMES.columns if name not in {*ROWS.columns, "known_at"})
OUTCOMES = LensTable(
    "external_outcome",
    "Decided outcomes: columns of the views external_signals and external_outcomes",
    NUMBER | {name: EXTERNAL_OUTCOMES.columns[name] for name in VERDICT},
)
_JOIN = f"internal.{ROWS.name} {{}} JOIN internal.{OUTCOMES.name} USING (id)"
_KNOWN = [
    "greatest(published_at, received_at) AS known_at" if name == "known_at" else name
    for name in EXTERNAL_OUTCOMES.columns
]
VIEWS = {
    EXTERNAL_SIGNALS.name: f"SELECT {', '.join(EXTERNAL_SIGNALS.columns)} FROM {_JOIN.format('LEFT')}",
    EXTERNAL_OUTCOMES.name: f"SELECT {', '.join(_KNOWN)} FROM {_JOIN.format('')}",
}


@dataclass(frozen=True)
class External:
    """External signals of one version: those up to an id, outcomes up to a change, and all gaps."""

    through: int
    outcomes_through: int
    gaps: pl.DataFrame

    @property
    def digest(self) -> str:
        """Equal digests, equal contents."""
        return hashlib.sha256(repr((self.through, self.outcomes_through, self.gaps.rows())).encode()).hexdigest()


@dataclass(frozen=True)
class News:
    """Rows that came since the version before: signals, a part at a time, and changed outcomes; null: undecided."""

    signals: Iterable[pl.DataFrame]
    outcomes: pl.DataFrame


def take_external(ledger: Ledger) -> External:
    """Read the newest ids and the gaps from the ledger."""
    with ledger.read() as db:
        gaps = [tuple(row.values()) for row in read_gaps(db, None, MOST_GAPS, 0)]
        shown = pl.DataFrame(gaps[::-1], schema=EXTERNAL_GAPS.frame_schema(), orient="row")
        return External(newest_id(db), newest_change(db), shown)


def read_news(ledger: Ledger, after: int, through: int, outcomes_after: int) -> News:
    """Read the signals with ids in (after, through], and the outcomes that changed since a change."""
    with ledger.read() as db:
        changes = [tuple(row) for row in read_changes(db, VERDICT, outcomes_after)]
    return News(_signals(ledger, after, through), pl.DataFrame(changes, schema=OUTCOMES.frame_schema(), orient="row"))


def put_news(db: duckdb.DuckDBPyConnection, news: News) -> None:
    """Add the signals, and bring the table of outcomes up to date with those that changed."""
    for rows in news.signals:
        db.register("came", rows.to_arrow())
        db.execute(f"INSERT INTO internal.{ROWS.name} BY NAME SELECT * FROM came")
        db.unregister("came")
    db.register("changed", news.outcomes.to_arrow())
    db.execute(f"DELETE FROM internal.{OUTCOMES.name} WHERE id IN (SELECT id FROM changed)")
    db.execute(f"INSERT INTO internal.{OUTCOMES.name} BY NAME SELECT * FROM changed WHERE outcome IS NOT NULL")
    db.unregister("changed")


def create_external_views(db: duckdb.DuckDBPyConnection) -> None:
    """Create the views that show the two tables."""
    for name, query in VIEWS.items():
        db.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")


def _signals(ledger: Ledger, after: int, through: int) -> Iterator[pl.DataFrame]:
    while after < through:
        with ledger.read() as db:
            rows = [tuple(row) for row in read_rows(db, COLUMNS, after, ROWS_AT_ONCE) if row[0] <= through]
        yield pl.DataFrame(rows, schema=ROWS.frame_schema(**AS_TEXT), orient="row")
        after = rows[-1][0]
