"""Tables handed in from outside: one description of columns, one check, one error that names column and row.

Whether the values make sense to a market is not decided here, only that they are what their column promises.
Rows are counted from 1, as a reader of the file counts them below its header.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time

import polars as pl

from models.errors import InputError

SYMBOL = r"^\d{6}\.(SH|SZ|BJ)$"
MIDNIGHT = time()
TIME = pl.Datetime("us", "UTC")
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
# From this number on a time in digits is in milliseconds: in seconds it would be the year 5138.
MILLISECONDS_FROM = 10**11
TIME_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")


@dataclass(frozen=True)
class Text:
    """Words: never null, and matching `pattern` (read to people as `expected`)."""

    pattern: str
    expected: str


@dataclass(frozen=True)
class Number:
    """Numbers from `least` to `most`. Nullable, NaN counts as null unless `strict`, which refuses it."""

    least: float
    most: float
    nullable: bool = True
    strict: bool = False


@dataclass(frozen=True)
class Flag:
    """True or false, also written 1 or 0; nullable."""


@dataclass(frozen=True)
class Day:
    """A calendar date: Date, a timestamp at midnight, or the text YYYY-MM-DD or YYYYMMDD."""

    nullable: bool = False


@dataclass(frozen=True)
class Moment:
    """A point in time, never null, in this century: a timestamp, ISO text, or seconds or milliseconds since 1970.

    UTC where no zone is said; text may name no other.
    """


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
    given = _given_names(frame, table)
    if frame.is_empty():
        raise InputError(table.name, "at least one row", "none")
    clean = pl.DataFrame(
        {
            column: _clean(frame.get_column(given[column]), kind)
            if column in given
            else pl.repeat(None, frame.height, dtype=_dtype(kind), eager=True)
            for column, kind in table.columns.items()
        }
    )
    rows = clean.sort(table.key)
    _refuse_duplicates(rows, table)
    return rows


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
        Moment: TIME,
    }
    return dtypes[type(kind)]


def _clean(values: pl.Series, kind: Kind) -> pl.Series:
    match kind:
        case Text():
            return _clean_text(values, kind)
        case Number():
            return _clean_numbers(values, kind)
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


def _clean_numbers(values: pl.Series, kind: Number) -> pl.Series:
    expected = f"a number from {kind.least:g} to {kind.most:g}"
    if values.dtype == pl.String:
        numbers = values.str.strip_chars().cast(pl.Float64, strict=False)
        _refuse(values, numbers.is_null() & values.is_not_null(), expected)
    elif values.dtype.is_numeric() or values.dtype == pl.Null:
        numbers = values.cast(pl.Float64)
    else:
        raise InputError(values.name, expected, f"a column of {values.dtype}")
    if kind.strict:
        _refuse(values, numbers.is_nan().fill_null(value=False), expected)
    numbers = numbers.fill_nan(None)
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
    expected = "a date, YYYY-MM-DD"
    if values.dtype == pl.Date:
        days = values
    elif values.dtype == pl.Datetime:
        _refuse(values, (values.dt.time() != MIDNIGHT).fill_null(value=False), f"{expected} without a time")
        days = values.dt.date()
    elif values.dtype == pl.String or values.dtype.is_integer() or values.dtype == pl.Null:
        text = values.cast(pl.String)
        days = text.str.to_date("%Y-%m-%d", strict=False)
        days = days.fill_null(text.str.to_date("%Y%m%d", strict=False))
        _refuse(values, days.is_null() & values.is_not_null(), expected)
    else:
        raise InputError(values.name, expected, f"a column of {values.dtype}")
    if not kind.nullable:
        _refuse(values, days.is_null(), expected)
    return days


def _clean_moments(values: pl.Series) -> pl.Series:
    expected = "a time such as 2026-05-24 14:30:00 (UTC), or seconds or milliseconds since 1970"
    if values.dtype == pl.Datetime:
        zone = values.dtype.time_zone  # type: ignore[attr-defined]
        times = values.dt.convert_time_zone("UTC") if zone else values.dt.replace_time_zone("UTC")
    elif values.dtype == pl.Date:
        times = values.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    elif values.dtype == pl.String:
        numbers = values.str.strip_chars().cast(pl.Int64, strict=False)
        times = _since_1970(numbers).fill_null(_said(values))
    elif values.dtype.is_integer():
        times = _since_1970(values.cast(pl.Int64, strict=False))
    else:
        raise InputError(values.name, expected, f"a column of {values.dtype}")
    times = times.cast(TIME)
    _refuse(values, ~times.is_between(EARLIEST, LATEST).fill_null(value=False), expected)
    return times


def _since_1970(numbers: pl.Series) -> pl.Series:
    milliseconds = numbers.abs() >= MILLISECONDS_FROM
    # What is in neither unit is null: it would overflow, and come back as some other time.
    known = pl.when(numbers.abs() < MILLISECONDS_FROM * 1000).then(numbers)
    return pl.select(known * pl.when(milliseconds).then(1_000).otherwise(1_000_000)).to_series().cast(TIME)


def _said(text: pl.Series) -> pl.Series:
    plain = text.str.strip_chars().str.replace(r" ?(Z|UTC|\+00:?00)$", "").str.replace("T", " ", literal=True)
    tried = [plain.str.to_datetime(each, time_unit="us", time_zone="UTC", strict=False) for each in TIME_FORMATS]
    return pl.select(pl.coalesce(tried)).to_series()


def _refuse(values: pl.Series, wrong: pl.Series, expected: str) -> None:
    """Raise InputError for the first row that is `wrong`, and say how many there are."""
    count = int(wrong.sum() or 0)
    if count:
        row = wrong.arg_true()[0]
        got = values[row]
        more = "" if count == 1 else f" (and in {count - 1} more)"
        raise InputError(values.name, expected, f"{'null' if got is None else repr(got)} in row {row + 1}{more}")


def _refuse_duplicates(rows: pl.DataFrame, table: Table) -> None:
    """Raise InputError where two neighbours of the sorted rows have one key."""
    repeated = rows.select(pl.all_horizontal(pl.col(c) == pl.col(c).shift(1) for c in table.key)).to_series()
    count = int(repeated.sum() or 0)
    if count:
        key = rows.select(table.key).row(repeated.arg_true()[0])
        more = "" if count == 1 else f" (and {count - 1} more)"
        got = f"several of {', '.join(str(part) for part in key)}{more}"
        raise InputError(table.key[-1], f"one row for each {' and '.join(table.key)}", got)
