"""Cells of a loose table as values: numbers, days and flags, as spreadsheets and vendors write them."""

from collections.abc import Callable, Collection
from typing import Final

import polars as pl

from countersign.domain.market.symbols import as_text
from countersign.models.errors import InputError

# Gives a row's place in the table as handed in.
Place = Callable[[int], str]

EMPTY: Final = ("", "-", "--", "nan", "none", "null", "n/a", "na", "nat", "<na>")
THOUSANDS: Final = r"^[+-]?\d{1,3}(,\d{3})+(\.\d*)?$"
ISO_DAY: Final = r"^(19|20)\d{2}-\d{2}-\d{2}$"
# The last row of an export, such as 数据来源:Wind.
NOTE: Final = r"(?i)来源|source|说明|^注|wind"


def without_notes(frame: pl.DataFrame, columns: Collection[str]) -> tuple[pl.DataFrame, list[str]]:
    """Leave out rows without any value in `columns`, and rows of one cell that is a note; return remarks on both."""
    filled = frame.select(pl.sum_horizontal(pl.col(columns).is_not_null())).to_series()
    if frame.is_empty() or int(filled.min()) > 1:  # type: ignore[arg-type]
        return frame, []
    only = frame.select(pl.coalesce(pl.col(columns).cast(pl.String))).to_series()
    note = (filled == 1) & only.str.contains(NOTE).fill_null(value=False)
    remarks = [f"left out a note: {text.strip()}" for text in only.filter(note).unique(maintain_order=True)]
    blank = int((filled == 0).sum())
    return frame.filter(~note & (filled > 0)), remarks + ([f"left out blank rows: {blank}"] if blank else [])


def blank_as_null(text: pl.Series) -> pl.Series:
    """Null for the ways in which an empty cell is written, other text without blanks around it."""
    plain = text.str.strip_chars()
    return plain.set(plain.str.to_lowercase().is_in(EMPTY), None)


def numbers(values: pl.Series, place: Place) -> pl.Series:
    """Float64 of 0 and more, null for an empty cell or NaN; thousands may be set off by commas.

    InputError under the source's name of the column for anything else, with its row.
    """
    if values.dtype in {pl.String, pl.Categorical}:
        found = values.cast(pl.String).cast(pl.Float64, strict=False)
        wrong = found.is_null() & values.is_not_null()
        if wrong.any():  # most columns have plain numbers alone, for which looking closer would take far longer
            text = blank_as_null(values.cast(pl.String))
            grouped = text.str.contains(THOUSANDS).fill_null(value=False)
            found = text.str.replace_all(",", "", literal=True).zip_with(grouped, text).cast(pl.Float64, strict=False)
            wrong = found.is_null() & text.is_not_null()
    elif values.dtype.is_numeric() or values.dtype == pl.Null:
        found = values.cast(pl.Float64)
        wrong = found.is_null() & values.is_not_null()
    else:
        raise InputError(values.name, "numbers", f"a column of {values.dtype}")
    found = found.fill_nan(None)
    wrong |= (found < 0).fill_null(value=False)
    if wrong.any():
        row = wrong.arg_true()[0]
        raise InputError(values.name, "a number of 0 or more", f"{values[row]!r} in {place(row)}")
    return found


def flags(values: pl.Series, place: Place) -> pl.Series:
    """Boolean of true, false, 1 and 0, null for an empty cell; InputError for anything else, with its row."""
    text = blank_as_null(values.cast(pl.String)).str.to_lowercase()
    words = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    found = text.replace_strict(words, default=None, return_dtype=pl.Boolean)
    wrong = found.is_null() & text.is_not_null()
    if wrong.any():
        row = wrong.arg_true()[0]
        raise InputError(values.name, "1 or 0, true or false", f"{values[row]!r} in {place(row)}")
    return found


def days(values: pl.Series, place: Place) -> pl.Series:
    """Dates and times as they are; YYYY-MM-DD out of text and numbers such as 2024-03-06, 2024/3/6 and 20240306.

    A midnight may follow in text. InputError for anything else, with its row.
    """
    if values.dtype.is_temporal():
        return values.alias("session")
    text = _iso_days(values)
    wrong = ~text.str.contains(ISO_DAY).fill_null(value=False)
    if wrong.any():
        row = wrong.arg_true()[0]
        expected = "a date such as 2024-03-06, 2024/3/6 or 20240306"
        got = "none" if values[row] is None else repr(values[row])
        raise InputError(values.name, expected, f"{got} in {place(row)}")
    return text.alias("session")


def looks_like_days(values: pl.Series) -> bool:
    """Whether the first rows of a column are dates."""
    if values.dtype.is_temporal():
        return True
    found = _iso_days(values.head(100))
    return found.len() > 0 and bool(found.str.contains(ISO_DAY).fill_null(value=False).all())


def _iso_days(values: pl.Series) -> pl.Series:
    text = as_text(values)
    distinct = text.unique().drop_nulls()
    plain = (
        distinct.str.strip_chars()
        .str.replace(r"[ T]00:00(:00(\.0+)?)?(\+08:00)?$", "")
        .str.replace(r"^(\d{4})(\d{2})(\d{2})(\.0)?$", "$1-$2-$3")
        .str.replace_all("/", "-", literal=True)
        .str.replace(r"^(\d{4})-(\d)-", "$1-0$2-")
        .str.replace(r"^(\d{4}-\d{2})-(\d)$", "$1-0$2")
    )
    return text.replace_strict(distinct, plain, default=None, return_dtype=pl.String)
