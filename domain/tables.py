"""Tables handed in from outside: one description of columns, one check, one error that names column and row.

Whether the values make sense to a market is not decided here, only that they are of their column's kind.
Rows are counted from 1, as a reader of the file counts them below its header.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from countersign.domain import days, moments
from countersign.models.errors import InputError, RowError

SYMBOL = r"^[0-9]{6}\.(SH|SZ|BJ)$"
LONGEST_SHOWN = 80
NO_SECONDS = r"(:00)?\.0+$"


@dataclass(frozen=True)
class Text:
    """Words: never null, and matching `pattern` (read to people as `expected`)."""

    pattern: str
    expected: str


@dataclass(frozen=True)
class Number:
    """Numbers from `least` to `most` (read to people as `words`, if there are any).

    Nullable, NaN counts as null unless `strict`, which refuses it. Null is 0 where the flag named `zero_where` is true.
    """

    least: float
    most: float
    nullable: bool = True
    strict: bool = False
    zero_where: str | None = None
    words: str = ""

    @property
    def expected(self) -> str:
        """Describe the numbers in words."""
        number = self.words or f"a number from {self.least:g} to {self.most:g}"
        return f"{number}, or nothing where {self.zero_where} is true" if self.zero_where else number


@dataclass(frozen=True)
class Flag:
    """True or false, also written 1 or 0; nullable."""


@dataclass(frozen=True)
class Day:
    """A calendar date, in every form that domain.days reads."""

    nullable: bool = False


@dataclass(frozen=True)
class Moment:
    """A point in time of this century, never null, in every form that domain.moments reads."""


Kind = Text | Number | Flag | Day | Moment


@dataclass(frozen=True)
class Table:
    """Columns in order with their kinds, which may be absent, the key that identifies a row, and other spellings."""

    name: str
    columns: Mapping[str, Kind]
    key: tuple[str, ...]
    optional: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)


def normalise(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Return `frame` with exactly the table's columns and types, sorted by its key; optional ones absent are null.

    Raises InputError, under the column name that the frame itself uses: an unknown or missing column, a value its
    column cannot hold, no row at all, or two rows with one key.
    """
    rows = clean(frame, table).sort(table.key)
    _refuse_duplicates(rows, table)
    return rows


def clean(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Return `frame` as `normalise` does, but in its own order, and with repeated keys."""
    given = _given_names(frame, table)
    if frame.is_empty():
        raise InputError(table.name, "at least one row", "none")
    return pl.DataFrame({column: _clean_column(frame, given, column, kind) for column, kind in table.columns.items()})


def _given_names(frame: pl.DataFrame, table: Table) -> dict[str, str]:
    """The frame's own name of each of the table's columns."""
    given: dict[str, str] = {}
    for name in frame.columns:
        column = table.aliases.get(name, name)
        if column not in table.columns:
            raise InputError(name, f"only the columns {', '.join(table.columns)}", "an unknown column")
        if column in given:
            raise InputError(name, f"{column} once", f"both {given[column]} and {name}")
        given[column] = name
    for column in table.columns:
        if column not in given and column not in table.optional:
            raise InputError(column, f"a column of {table.name}", f"only {', '.join(frame.columns) or 'no column'}")
    return given


def _dtype(kind: Kind) -> pl.DataType | type[pl.DataType]:
    dtypes: dict[type[Kind], pl.DataType | type[pl.DataType]] = {
        Text: pl.String,
        Number: pl.Float64,
        Flag: pl.Boolean,
        Day: pl.Date,
        Moment: moments.TIME,
    }
    return dtypes[type(kind)]


def _clean_column(frame: pl.DataFrame, given: Mapping[str, str], column: str, kind: Kind) -> pl.Series:
    if column not in given:
        return pl.repeat(None, frame.height, dtype=_dtype(kind), eager=True)
    values = frame.get_column(given[column])
    match kind:
        case Text():
            return _clean_text(values, kind)
        case Number():
            flag = given.get(kind.zero_where or "")
            return _clean_numbers(values, kind, frame.get_column(flag) if flag else None)
        case Flag():
            return _clean_flags(values)
        case Day():
            return _clean_days(values, kind)
        case Moment():
            return _clean_moments(values)


def _clean_text(values: pl.Series, kind: Text) -> pl.Series:
    if values.dtype not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        raise InputError(values.name, kind.expected, f"a column of {values.dtype}")
    text = values.cast(pl.String)
    if text.null_count() == 0:
        distinct = text.unique()  # bars repeat each symbol for every session
        if distinct.str.contains(kind.pattern).all():
            return text
    _refuse(values, ~text.str.contains(kind.pattern).fill_null(value=False), kind.expected)
    return text


def _clean_numbers(values: pl.Series, kind: Number, zero_where: pl.Series | None) -> pl.Series:
    expected = kind.expected
    if values.dtype == pl.String:
        text = values.str.strip_chars()
        numbers = text.cast(pl.Float64, strict=False)
        _refuse(values, numbers.is_null() & (text != ""), expected)
    elif values.dtype.is_numeric() or values.dtype == pl.Null:
        numbers = values.cast(pl.Float64)
    else:
        raise InputError(values.name, expected, f"a column of {values.dtype}")
    if kind.strict:
        _refuse(values, numbers.is_nan().fill_null(value=False), expected)
    numbers = numbers.fill_nan(None)
    if zero_where is not None and numbers.null_count():
        numbers = numbers.set(numbers.is_null() & _clean_flags(zero_where).fill_null(value=False), 0.0)
    if not kind.nullable:
        _refuse(values, numbers.is_null(), expected)
    _refuse(values, ~numbers.is_between(kind.least, kind.most).fill_null(value=True), expected)
    return numbers


def _clean_flags(values: pl.Series) -> pl.Series:
    expected = "true or false"
    if values.dtype in (pl.Boolean, pl.Null):
        return values.cast(pl.Boolean)
    if values.dtype.is_nested() or values.dtype.is_temporal():
        raise InputError(values.name, expected, f"a column of {values.dtype}")
    text = values.cast(pl.String).str.to_lowercase()
    words = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    flags = text.replace_strict(words, default=None, return_dtype=pl.Boolean)
    _refuse(values, flags.is_null() & values.is_not_null(), expected)
    return flags


def _clean_days(values: pl.Series, kind: Day) -> pl.Series:
    found = days.read_days(values)
    if found is None:
        raise InputError(values.name, days.EXPECTED, f"a column of {values.dtype}")
    missing = found.is_null()
    _refuse(values, missing & values.is_not_null() if kind.nullable else missing, days.EXPECTED)
    return found


def _clean_moments(values: pl.Series) -> pl.Series:
    found = moments.read_moments(values)
    if found is None:
        raise InputError(values.name, moments.EXPECTED, f"a column of {values.dtype}")
    _refuse(values, found.is_null(), moments.EXPECTED)
    return found


def _refuse(values: pl.Series, wrong: pl.Series, expected: str) -> None:
    """Raise RowError for the first row that is `wrong`, and say how many there are."""
    count = int(wrong.sum() or 0)
    if count:
        row = wrong.arg_true()[0]
        raise RowError(values.name, expected, _show(values.slice(row, 1)), row + 1, count - 1)


def _show(one: pl.Series) -> str:
    """Write one value for people: times to the minute where they are whole minutes, with their zone's name."""
    if one.null_count():
        return "null"
    if not isinstance(one.dtype, pl.Datetime):
        said = str(one.cast(pl.String)[0]) if one.dtype == pl.Date else repr(one[0])
        return said if len(said) <= LONGEST_SHOWN else f"{said[: LONGEST_SHOWN - 1]}…"
    zone = f" {one.dtype.time_zone}" if one.dtype.time_zone else ""
    local = one.dt.replace_time_zone(None).cast(pl.String)
    return f"{local.str.replace(NO_SECONDS, '')[0]}{zone}"


def _refuse_duplicates(rows: pl.DataFrame, table: Table) -> None:
    """Raise InputError where two neighbours of the sorted rows have one key."""
    repeated = rows.select(pl.all_horizontal(pl.col(c) == pl.col(c).shift(1) for c in table.key)).to_series()
    count = int(repeated.sum() or 0)
    if count:
        key = rows.select(table.key).row(repeated.arg_true()[0])
        more = "" if count == 1 else f" (and {count - 1} more)"
        got = f"several of {', '.join(str(part) for part in key)}{more}"
        raise InputError(table.key[-1], f"one row for each {' and '.join(table.key)}", got)
