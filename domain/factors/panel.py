"""Factor panels: long frames of values or closes as dense arrays, and their cross-sections in sorted order.

Pure. A panel is float64, sessions × symbols, nan where there is no value. `Ranks` is all that rank figures need of a
panel; a factor's may be made once and kept until its values change. In every frame the `symbol` is String,
Enum or Categorical: of the last two only the categories are compared, which halves the time that a frame takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from countersign.domain.arrays import Codes, Floats, Sorted
from countersign.domain.checks import refuse, require
from countersign.domain.factors import kernel
from countersign.models.datasets import ColumnType
from countersign.models.errors import InputError

VALUES_SCHEMA: dict[str, ColumnType] = {"session": pl.Date, "value": pl.Float64}
CLOSES_SCHEMA: dict[str, ColumnType] = {"session": pl.Date, "close": pl.Float64}
MEMBERS_SCHEMA: dict[str, ColumnType] = {"session": pl.Date}


@dataclass(frozen=True)
class Ranks:
    """A panel's cross-sections in ascending order, with the names of its axes, both ascending."""

    sessions: tuple[date, ...]
    symbols: pl.Series
    ordered: Sorted


def make_panel(frame: pl.DataFrame, sessions: Sequence[date], symbols: pl.Series, field: str = "frame") -> Floats:
    """Spread rows (session, symbol, value) over sessions × symbols, both ascending; null, nan and infinite are missing.

    Rows of other sessions and symbols are left out. Raises InputError, naming the field, for a session and symbol that
    are there twice.
    """
    require(field, frame, VALUES_SCHEMA)
    return spread(field, frame, session_codes(frame["session"], sessions), len(sessions), symbols)


def spread(field: str, frame: pl.DataFrame, rows: Codes, height: int, symbols: pl.Series) -> Floats:
    """Put the `value` of each row of the frame into row rows[i] (below 0: left out) and its symbol's column.

    Everything handed to the kernel is a copy: compiled code knows polars' own buffers, which are read-only, as another
    type, and would be compiled a second time.
    """
    panel = np.full((height, symbols.len()), np.nan)
    values = np.array(frame["value"].fill_null(np.nan))
    twice = kernel.scatter(rows, name_codes(frame["symbol"], symbols), values, panel)
    if twice >= 0:
        raise InputError(field, "one value a symbol", frame.row(twice))
    return panel


def session_codes(column: pl.Series, sessions: Sequence[date]) -> Codes:
    """Places of dates in ascending sessions, -1 for a date that is none of them or null."""
    axis = pl.Series(sessions, dtype=pl.Date).to_physical().to_numpy()
    if not axis.size:
        return np.full(column.len(), -1, np.int32)
    if (np.diff(axis) <= 0).any():
        raise InputError("sessions", "ascending dates, each once")
    before = int(axis[0]) - 1
    place_of = np.full(int(axis[-1]) - before + 2, -1, np.int32)
    place_of[axis - before] = np.arange(axis.size)
    days = np.clip(column.to_physical().fill_null(before).to_numpy(), before, int(axis[-1]) + 1)
    places: Codes = np.take(place_of, days - before)
    return places


def name_codes(column: pl.Series, names: pl.Series) -> Codes:
    """Places of strings among unique names, -1 for one that is not there or is null."""
    kind = column.dtype
    if isinstance(kind, pl.Categorical | pl.Enum):
        categories = kind.categories if isinstance(kind, pl.Enum) else kind.categories.to_series()
        of_category = np.append(name_codes(categories, names), np.int32(-1))
        return np.take(of_category, np.array(column.to_physical().cast(pl.Int64).fill_null(-1)))
    return np.array(column.cast(pl.Enum(names), strict=False).to_physical().cast(pl.Int32).fill_null(-1))


def names_in(field: str, frame: pl.DataFrame, name: str = "symbol") -> pl.Series:
    """The strings of a column, ascending, each once; InputError for another type and for null."""
    require(field, frame, {name: frame.schema.get(name, pl.String)})
    if not isinstance(frame.schema[name], pl.String | pl.Categorical | pl.Enum):
        raise InputError(f"{field}.{name}", "strings", frame.schema[name])
    refuse(field, f"a {name} in every row", frame, pl.col(name).is_null())
    return frame[name].unique().cast(pl.String).sort()


def rank_panel(panel: Floats, sessions: Sequence[date], symbols: pl.Series) -> Ranks:
    """Sort every cross-section of a panel, whose values are finite or nan."""
    # numpy's vectorised sort gives up on nan; infinity comes last just as well.
    order = np.argsort(np.where(np.isnan(panel), np.inf, panel), axis=1)
    chain, ranks, count = kernel.sort_out(panel, order)
    return Ranks(tuple(sessions), symbols, Sorted(chain, ranks, count))


def rank_values(values: pl.DataFrame) -> Ranks:
    """Sort the cross-sections of a factor's values (session, symbol, value), on axes of their own.

    Raises InputError for values that are not finite numbers or are there twice, and where there are none.
    """
    check_values("values", values, VALUES_SCHEMA)
    symbols, sessions = names_in("values", values), values["session"].unique().sort().to_list()
    return rank_panel(make_panel(values, sessions, symbols, "values"), sessions, symbols)


def check_values(field: str, values: pl.DataFrame, schema: dict[str, ColumnType]) -> None:
    """Refuse values that are not finite numbers, rows without a session, and no rows at all."""
    require(field, values, schema)
    if values.is_empty():
        raise InputError(field, "at least one value")
    refuse(field, "a finite number", values, ~pl.col("value").is_finite().fill_null(value=False))
    refuse(field, "no null", values, pl.any_horizontal(pl.col(*schema).is_null()))


def correlations(ours: Ranks, theirs: Ranks, rows: Codes) -> tuple[Floats, Codes]:
    """Spearman's correlation, ties averaged, of each of our sessions with their session rows[i] (below 0: none).

    Returns it and the number of common symbols, a session each; nan where it is not defined: fewer than 10 common
    symbols, or a side that is constant over them.
    """
    return kernel.correlate(ours.ordered, theirs.ordered, rows, name_codes(ours.symbols, theirs.symbols))


def session_returns(closes: Floats) -> Floats:
    """Return of each session on the one before, as fractions; nan where either close is missing or not above 0.

    `closes` are adjusted, sessions × symbols; the first row is nan.
    """
    returns = np.full_like(closes, np.nan)
    sound = np.where((closes > 0) & np.isfinite(closes), closes, np.nan)
    returns[1:] = sound[1:] / sound[:-1] - 1
    return returns
