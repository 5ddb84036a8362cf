"""Signals: checks of a target portfolio, its text form, and the payload that gets sealed.

Vectorised over many strategies, because a replay and the minute before the deadline bring thousands at once. Rights
to submit, and deadlines, are the store's business.
"""

import hashlib
from datetime import date
from decimal import Decimal

import polars as pl

from countersign.domain.market.instruments import TAKEN_NAMES, is_taken, refusal
from countersign.models.errors import InputError
from countersign.models.targets import MAX_SYMBOLS, SUM_TOLERANCE, SYMBOL_LENGTH, SYMBOL_PATTERN

HASH_PREFIX = b"countersign/signal/v1\n"


def check_portfolios(signals: pl.DataFrame) -> None:
    """Raise InputError for the first portfolio that is not one, naming strategy and symbol.

    Columns strategy, symbol (String) and weight (Float64). A portfolio has 1 to 5,000 different symbols, weights in
    (0, 1], and a sum of at most 1 + 1e-9; the rest is cash. Each symbol is a share or an exchange-traded fund.
    """
    # One pass tells whether there is any fault; only then is the first one looked for.
    weight = pl.col("weight")
    facts = (
        signals.sort("strategy", "symbol")
        .group_by("strategy")
        .agg(
            pl.len().alias("symbols"),
            pl.col("symbol").n_unique().alias("different"),
            ((weight > 0) & (weight <= 1)).fill_null(value=False).all().alias("sound"),
            # In order of symbols, so that the verdict does not depend on the order of arrival.
            weight.sum().alias("total"),
        )
    )
    known = signals["symbol"].unique()
    if not (known.str.contains(SYMBOL_PATTERN).fill_null(value=False).all() and facts["sound"].all()):
        _raise_for_row(signals, "symbol", "six digits and a venue, such as 600519.SH", ~_is_symbol())
        _raise_for_row(signals, "weight", "a number in (0, 1]", ~((weight > 0) & (weight <= 1)))
    if (facts["symbols"] != facts["different"]).any():
        twice = pl.struct("strategy", "symbol").is_duplicated()
        _raise_for_row(signals, "symbol", "each symbol once in a signal", twice)
    for field, expected, figure, limit in (
        ("weight", "a sum of at most 1", "total", 1 + SUM_TOLERANCE),
        ("signals", f"at most {MAX_SYMBOLS} symbols", "symbols", MAX_SYMBOLS),
    ):
        bad = facts.filter(pl.col(figure) > limit).sort("strategy").head(1)
        if bad.height:
            raise InputError(field, expected, f"{bad[figure][0]} (strategy {bad['strategy'][0]})")
    strange = known.filter(~is_taken(known))
    if strange.len():
        row = signals.filter(pl.col("symbol").is_in(strange.implode())).row(0, named=True)
        raise InputError("symbol", TAKEN_NAMES, f"{refusal(row['symbol'])} (strategy {row['strategy']})")


def _is_symbol() -> pl.Expr:
    return pl.col("symbol").str.contains(SYMBOL_PATTERN)


def _raise_for_row(signals: pl.DataFrame, field: str, expected: str, fault: pl.Expr) -> None:
    bad = signals.filter(fault.fill_null(value=True)).head(1)
    if bad.height:
        row = bad.row(0, named=True)
        raise InputError(field, expected, f"{row[field]} (strategy {row['strategy']}, symbol {row['symbol']})")


def encode_portfolios(signals: pl.DataFrame) -> pl.DataFrame:
    """Write each portfolio down as the text `symbol=weight …`, sorted by symbol, weights as plain decimal strings.

    Columns strategy, symbol, weight in; strategy, portfolio, symbols_count out, sorted by strategy. A weight keeps the
    shortest digits that give the same float back ("0.05"), never an exponent.
    """
    text = signals["weight"].cast(pl.String).str.strip_suffix(".0")
    if text.str.contains("e", literal=True).any():
        text = pl.Series("weight", [format(Decimal(weight), "f") for weight in text], dtype=pl.String)
    return (
        signals.with_columns(text)
        .sort("strategy", "symbol")
        .group_by("strategy", maintain_order=True)
        .agg(
            (pl.col("symbol") + "=" + pl.col("weight")).str.join(" ").alias("portfolio"),
            pl.len().alias("symbols_count"),
        )
    )


def decode_portfolios(frame: pl.DataFrame) -> pl.DataFrame:
    """Read the column `portfolio` back into symbol and weight (Float64), a row a symbol; other columns are repeated."""
    item = pl.col("portfolio").str
    return (
        frame.with_columns(item.split(" "))
        .explode("portfolio")
        .with_columns(symbol=item.head(SYMBOL_LENGTH), weight=item.slice(SYMBOL_LENGTH + 1).cast(pl.Float64))
        .drop("portfolio")
    )


def symbols_in(portfolios: pl.Series) -> set[str]:
    """Return every symbol that any of the portfolios names."""
    return set(portfolios.str.split(" ").explode().drop_nulls().str.head(SYMBOL_LENGTH).unique())


def payload(strategy: str, session: date, revision: int, salt: str, portfolio: str) -> bytes:
    """Return the bytes that are sealed: RFC 8785 canonical JSON (attestation: "What is sealed").

    Keys in order and no white space make it canonical: none of these strings has a character that JSON would escape.
    """
    signals = portfolio.replace("=", '","weight":"').replace(" ", '"},{"symbol":"')
    return (
        f'{{"revision":{revision},"salt":"{salt}","session":"{session}",'
        f'"signals":[{{"symbol":"{signals}"}}],"strategy":"{strategy}"}}'
    ).encode()


def signal_hash(sealed: bytes) -> str:
    """Return the payload's hash: hex SHA-256 behind a prefix that keeps it from meaning anything else."""
    return hashlib.sha256(HASH_PREFIX + sealed).hexdigest()
