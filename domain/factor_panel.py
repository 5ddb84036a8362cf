"""Factor panels: long frames of values or closes as dense arrays, and their cross-sections in sorted order.

Pure. A panel is float64, sessions × symbols, nan where there is no value. `Ranks` is all that rank figures need of a
panel, at half its size; a factor's may be made once and kept for as long as its values stand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from domain import factor_kernel as kernel
from domain.arrays import Codes, Floats
from domain.quotes import forbid, require
from models.datasets import ColumnType
from models.errors import InputError

VALUES_SCHEMA: dict[str, ColumnType] = {"session": pl.Date, "symbol": pl.String, "value": pl.Float64}
CLOSES_SCHEMA: dict[str, ColumnType] = {"session": pl.Date, "symbol": pl.String, "close": pl.Float64}
MEMBERS_SCHEMA: dict[str, ColumnType] = {"session": pl.Date, "symbol": pl.String}


@dataclass(frozen=True)
class Ranks:
    """A panel's cross-sections in ascending order.

    Row t of `chain` begins with count[t] codes of symbols that have a value, ~code where the value is the same as the
    one before it.
    """

    sessions: tuple[date, ...]
    symbols: pl.Series
    chain: Codes
    count: Codes


def make_panel(frame: pl.DataFrame, sessions: Sequence[date], symbols: pl.Series) -> Floats:
    """Spread rows (session, symbol, value) over sessions × symbols, both ascending; null and nan are missing.

    Rows of other sessions and symbols are left out. Raises InputError for a session and symbol that are there twice.
    """
    require("frame", frame, VALUES_SCHEMA)
    return spread("frame", frame, session_codes(frame["session"], sessions), len(sessions), symbols)


def spread(field: str, frame: pl.DataFrame, rows: Codes, height: int, symbols: pl.Series) -> Floats:
    """Put the `value` of each row of the frame into row rows[i] (below 0: left out) and its symbol's column."""
    panel = np.full((height, symbols.len()), np.nan)
    values = frame["value"].fill_null(np.nan).to_numpy()
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
    row_of = np.full(axis[-1] - axis[0] + 3, -1, np.int32)
    row_of[axis - axis[0] + 1] = np.arange(axis.size)
    days = column.to_physical().fill_null(axis[0] - 1).to_numpy()
    return row_of[np.clip(days, axis[0] - 1, axis[-1] + 1) - (axis[0] - 1)]


def name_codes(column: pl.Series, names: pl.Series) -> Codes:
    """Places of strings among unique names, -1 for one that is not there."""
    places = column.cast(pl.Enum(names), strict=False).to_physical().cast(pl.Int32)
    return places.fill_null(-1).to_numpy()


def rank_panel(panel: Floats, sessions: Sequence[date], symbols: pl.Series) -> Ranks:
    """Sort every cross-section of a panel."""
    chain, count = kernel.mark_ties(panel, np.argsort(panel, axis=1))
    return Ranks(tuple(sessions), symbols, chain, count)


def rank_values(values: pl.DataFrame) -> Ranks:
    """Sort the cross-sections of a factor's values (session, symbol, value).

    Raises InputError for values that are not finite numbers or are there twice, and where there are none.
    """
    check_values("values", values)
    symbols = values["symbol"].unique().sort()
    sessions = values["session"].unique().sort().to_list()
    codes = session_codes(values["session"], sessions)
    return rank_panel(spread("values", values, codes, len(sessions), symbols), sessions, symbols)


def check_values(field: str, values: pl.DataFrame) -> None:
    """Refuse a factor's values that are not finite numbers, and no values at all."""
    require(field, values, VALUES_SCHEMA)
    if values.is_empty():
        raise InputError(field, "at least one value")
    forbid(field, "no null", values, pl.any_horizontal(pl.col("session", "symbol").is_null()))
    forbid(field, "finite numbers", values, ~pl.col("value").is_finite().fill_null(value=False))


def correlations(ours: Ranks, theirs: Ranks, rows: Codes) -> tuple[Floats, Codes]:
    """Spearman's correlation, ties averaged, of each of our sessions with their session rows[i] (below 0: none).

    Returns it and the number of common symbols, a session each; nan where it is not defined: fewer than 10 common
    symbols, or a side that is constant over them.
    """
    place = name_codes(theirs.symbols, ours.symbols)
    return kernel.correlate(ours.chain, ours.count, theirs.chain, theirs.count, rows, place)


def session_returns(closes: Floats) -> Floats:
    """Return of each session on the one before, as fractions; nan where either close is missing or not above 0.

    `closes` are adjusted, sessions × symbols; the first row is nan.
    """
    returns = np.full_like(closes, np.nan)
    sound = np.where((closes > 0) & np.isfinite(closes), closes, np.nan)
    returns[1:] = sound[1:] / sound[:-1] - 1
    return returns
