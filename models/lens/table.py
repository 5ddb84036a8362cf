"""Table of the lens, as a declaration, and the columns that many tables share."""

from dataclasses import dataclass

import polars as pl

MONEY = "DECIMAL(18,2)"
TIME = "TIMESTAMP WITH TIME ZONE"
# Types of the frames that tables are filled from, by SQL type.
FRAME_TYPES: dict[str, pl.DataType] = {
    "VARCHAR": pl.String(),
    "BOOLEAN": pl.Boolean(),
    "INTEGER": pl.Int32(),
    "BIGINT": pl.Int64(),
    "DOUBLE": pl.Float64(),
    "DOUBLE[]": pl.List(pl.Float64()),
    "DATE": pl.Date(),
    TIME: pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True)
class LensTable:
    """One table (or view) of the lens: `columns` maps a name to its SQL type and its comment."""

    name: str
    comment: str
    columns: dict[str, tuple[str, str]]

    def frame_schema(self, **others: pl.DataType) -> dict[str, pl.DataType]:
        """Return the columns and types of a frame that fills the table; `others` are columns that DuckDB converts."""
        return {name: others.get(name) or FRAME_TYPES[sql_type] for name, (sql_type, _) in self.columns.items()}


STRATEGY = ("VARCHAR", "slug of the strategy; strategies.slug")
SESSION = ("DATE", "trading session of the exchange")
SYMBOL = ("VARCHAR", "code and exchange, such as 600000.SH")
