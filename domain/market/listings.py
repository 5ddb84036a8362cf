"""Listings: the instruments, their spans of listing, and the value of a holding after delisting.

They are handed in row by row, by a file or by a provider, and a row adds to the known ones: a value is replaced by
another value and never by none. Settlement takes its evidence of listings and delistings from here.
"""

import polars as pl

from countersign.domain.market.bars import SYMBOL_TEXT
from countersign.domain.market.instruments import (
    BOARDS,
    TAKEN_KINDS,
    TAKEN_NAMES,
    board_expr,
    kind_expr,
    refusal,
    refuse_others,
)
from countersign.domain.tables import Day, Table, Text, normalise
from countersign.models.datasets import ColumnType
from countersign.models.errors import InputError

INSTRUMENTS_SCHEMA: dict[str, ColumnType] = {
    "symbol": pl.String,
    "name": pl.String,
    "kind": pl.String,
    "board": pl.String,
    "listed": pl.Date,
    "delisted": pl.Date,
    "delisting_cash": pl.Float64,
    "successor": pl.String,
    "successor_ratio": pl.Float64,
}
# The value of a delisted share is one value in three columns.
VALUE_COLUMNS = ("delisting_cash", "successor", "successor_ratio")

MOST_CASH, MOST_RATIO = 1e7, 1e4
VALUE_EXPECTED = "CNY for one share, 0 for a write-off, or shares of another symbol such as 0.1339*600150.SH"
RATIO_PATTERN = r"^\s*([0-9.]+)\s*\*\s*([0-9]{6}\.(?:SH|SZ|BJ))\s*$"
TEXT_COLUMNS = ("name", "kind", "board", "delisting_value")

INSTRUMENT_TABLE = Table(
    "instruments",
    {
        "symbol": SYMBOL_TEXT,
        # An empty text means null, in every column but the symbol.
        "name": Text(r"^[^\p{Cc}]{0,100}$", "a name of at most 100 characters"),
        "kind": Text(f"^({'|'.join(TAKEN_KINDS)})?$", f"one of {', '.join(TAKEN_KINDS)}"),
        "board": Text(f"^({'|'.join(BOARDS)})?$", f"one of {', '.join(BOARDS)}"),
        "listed": Day(nullable=True),
        "delisted": Day(nullable=True),
        "delisting_value": Text("", VALUE_EXPECTED),
    },
    key=("symbol",),
    optional=frozenset({*TEXT_COLUMNS, "listed", "delisted"}),
)


def normalise_instruments(frame: pl.DataFrame) -> pl.DataFrame:
    """Instruments with the columns of INSTRUMENTS_SCHEMA, sorted by symbol; kind and board as the code says.

    `listed` is the first day of trading, `delisted` the first day without; `delisting_value` a number (CNY for one
    share) or text `ratio*successor`. Raises InputError as domain.tables.normalise does, for a symbol of neither share
    nor fund, a kind or a board that contradicts the code, a malformed value, and a delisting not after the listing.
    """
    texts = [_text(frame.get_column(name)) for name in TEXT_COLUMNS if name in frame.columns]
    rows = normalise(frame.with_columns(texts), INSTRUMENT_TABLE)
    refuse_others(rows.get_column("symbol"), frame)
    symbol = pl.col("symbol")
    derived = rows.with_columns(own_kind=kind_expr(symbol), own_board=board_expr(symbol))
    for column in ("kind", "board"):
        given, own = pl.col(column).fill_null(""), pl.col(f"own_{column}")
        wrong = derived.filter((given != "") & (given != own))
        if wrong.height:
            row = wrong.row(0, named=True)
            raise InputError(column, f"{row[f'own_{column}']}, as the code {row['symbol']} says", row[column])
    listings = _with_values(derived).select(
        "symbol",
        _none_if_empty("name"),
        pl.col("own_kind").alias("kind"),
        pl.col("own_board").alias("board"),
        *list(INSTRUMENTS_SCHEMA)[4:],
    )
    check_listings(listings)
    return listings


def check_listings(listings: pl.DataFrame) -> None:
    """Raise InputError for the first instrument whose listing does not begin before it ends."""
    wrong = listings.filter(ends_too_early())
    if wrong.height:
        row = wrong.row(0, named=True)
        raise InputError("delisted", f"a day after {row['symbol']} was listed ({row['listed']})", row["delisted"])


def ends_too_early() -> pl.Expr:
    """Whether an instrument is delisted on or before the day on which it is listed."""
    return (pl.col("delisted") <= pl.col("listed")).fill_null(value=False)


def add_known(listings: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Complete `listings` by the `known` ones (INSTRUMENTS_SCHEMA): a new value counts, and none keeps the known."""
    plain = [name for name in INSTRUMENTS_SCHEMA if name not in ("symbol", *VALUE_COLUMNS)]
    has_value = pl.col("delisting_cash").is_not_null() | pl.col("successor").is_not_null()
    return (
        listings.join(known, on="symbol", how="left", suffix="_known", maintain_order="left")
        .with_columns(
            *(pl.coalesce(name, f"{name}_known").alias(name) for name in plain),
            *(pl.when(has_value).then(name).otherwise(f"{name}_known").alias(name) for name in VALUE_COLUMNS),
        )
        .select(*INSTRUMENTS_SCHEMA)
    )


def _text(values: pl.Series) -> pl.Series:
    """Values of any type as text, nothing as the empty one."""
    known = values.fill_nan(None) if values.dtype.is_float() else values
    return known.cast(pl.String).fill_null("")


def _none_if_empty(column: str) -> pl.Expr:
    return pl.when(pl.col(column) != "").then(column).alias(column)


def _with_values(rows: pl.DataFrame) -> pl.DataFrame:
    """Read `delisting_value` into VALUE_COLUMNS."""
    text = pl.col("delisting_value").fill_null("").str.strip_chars()
    read = rows.with_columns(
        delisting_cash=text.cast(pl.Float64, strict=False),
        successor=text.str.extract(RATIO_PATTERN, 2),
        successor_ratio=text.str.extract(RATIO_PATTERN, 1).cast(pl.Float64, strict=False),
    )
    is_cash = pl.col("delisting_cash").is_between(0, MOST_CASH)
    is_swap = (pl.col("successor_ratio") > 0) & (pl.col("successor_ratio") <= MOST_RATIO)
    wrong = read.filter((text != "") & ~(is_cash | is_swap).fill_null(value=False))
    if wrong.height:
        row = wrong.row(0, named=True)
        raise InputError("delisting_value", VALUE_EXPECTED, f"{row['delisting_value']!r} ({row['symbol']})")
    itself = read.filter(pl.col("successor") == pl.col("symbol"))
    if itself.height:
        raise InputError("delisting_value", "shares of another symbol", f"itself ({itself['symbol'][0]})")
    strange = [reason for each in read.get_column("successor").drop_nulls() if (reason := refusal(each))]
    if strange:
        raise InputError("delisting_value", f"shares of {TAKEN_NAMES}; {strange[0]}")
    return read
