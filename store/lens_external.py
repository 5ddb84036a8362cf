"""External signals in the lens: a table of its own, extended by what came since the version before.

They are read from the ledger, where they are few, append-only and numbered, and not by way of the lake: a day of them
is not whole before it is over, and the newest matter most. See ADR 10.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from models.external import ExternalSignal
from models.lens import EXTERNAL_GAPS, EXTERNAL_SIGNALS
from store.external_reader import newest_id, read_gaps, read_rows
from store.ledger import Ledger

TIME = pl.Datetime("us", "UTC")
# What the ledger has; the others are for whoever judges the signals, and null until then.
COLUMNS = tuple(name for name in EXTERNAL_SIGNALS.columns if name in ExternalSignal.model_fields)
NOT_TEXT = {"revision": pl.Int32(), "published_at": TIME, "received_at": TIME}
SCHEMA = {"id": pl.Int64(), "source": pl.String(), **{name: NOT_TEXT.get(name, pl.String()) for name in COLUMNS}}
GAPS_SCHEMA = {name: pl.String() if name == "source" else TIME for name in EXTERNAL_GAPS.columns}
ROWS_AT_ONCE = 50_000
MOST_GAPS = 1_000_000


@dataclass(frozen=True)
class External:
    """What the lens shows of external signals: those up to the id `through`, and all gaps."""

    through: int
    gaps: pl.DataFrame

    @property
    def digest(self) -> str:
        """Equal digests, equal contents."""
        return hashlib.sha256(repr((self.through, self.gaps.rows())).encode()).hexdigest()


def take_external(ledger: Ledger) -> External:
    """Read what there is."""
    with ledger.read() as db:
        gaps = [tuple(row.values()) for row in read_gaps(db, None, MOST_GAPS, 0)]
        return External(newest_id(db), pl.DataFrame(gaps[::-1], schema=GAPS_SCHEMA, orient="row"))


def read_external(ledger: Ledger, after: int, through: int) -> Iterator[pl.DataFrame]:
    """Read the signals whose ids lie in (after, through], a part at a time, columns as in the lens."""
    while after < through:
        with ledger.read() as db:
            rows = [tuple(row) for row in read_rows(db, COLUMNS, after, ROWS_AT_ONCE) if row[0] <= through]
        frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
        yield frame.drop("id")
        after = int(frame["id"][-1])
