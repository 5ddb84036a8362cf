"""Symbols in other people's spelling, as ours: 600519.XSHG, sh.600519, SSE.600519, 600519 and, of 000001, 1.

Every distinct code is read once, for a column of bars repeats each of them for every session. A code without an
exchange belongs to the one exchange at which a share or an exchange-traded fund can have it, since codes without an
exchange mean one of these: 000001 is a share of Shenzhen, not the index of Shanghai.
"""

import re
from collections.abc import Callable
from typing import Final

import polars as pl

from countersign.domain.market.instruments import is_taken
from countersign.models.errors import InputError

EXCHANGES: Final = {
    **dict.fromkeys(("SH", "SS", "SSE", "SHSE", "XSHG"), "SH"),
    **dict.fromkeys(("SZ", "SZSE", "XSHE"), "SZ"),
    **dict.fromkeys(("BJ", "BSE", "BJSE", "XBSE"), "BJ"),
}
_NAMES: Final = "|".join(EXCHANGES)
CODE_FIRST: Final = re.compile(rf"(?P<code>\d{{6}})[._ ]?(?P<exchange>{_NAMES})")
EXCHANGE_FIRST: Final = re.compile(rf"(?P<exchange>{_NAMES})[._ ]?(?P<code>\d{{6}})")
BARE: Final = re.compile(r"(?P<code>\d{1,6})(?:\.0)?")  # 1.0 is a code that a table of numbers has been through
IN_FILE_NAME: Final = re.compile(
    rf"(?<![A-Z0-9])(?:(?:{_NAMES})[._]?\d{{6}}|\d{{6}}(?:\.(?:{_NAMES}))?)(?![A-Z0-9])", re.IGNORECASE
)


def as_text(values: pl.Series) -> pl.Series:
    """Values as text, whole numbers without a point: codes and days that a table of numbers has been through."""
    if not values.dtype.is_float():
        return values.cast(pl.String)
    whole = values.cast(pl.Int64, strict=False)
    return values.cast(pl.String).zip_with((whole != values).fill_null(value=True), whole.cast(pl.String))


def canonical(codes: pl.Series, field: str, place: Callable[[int], str]) -> pl.Series:
    """Spell codes as 600519.SH; null where a code has no exchange and no share or fund can have it.

    Numbers count as codes that lost their zeros. Raises InputError under `field` for a null and for anything else than
    a code; `place` names the place of a row.
    """
    text = as_text(codes).str.strip_chars().str.to_uppercase().replace("", None)
    distinct = text.unique()
    spelled = {code: _spell(code) for code in distinct.drop_nulls()}
    wrong = {code for code, parts in spelled.items() if parts is None}
    if wrong or text.null_count():
        row = (text.is_null() | text.is_in(list(wrong))).arg_true()[0]
        expected = "a code such as 600519.SH, sh600519, 600519.XSHG or 600519"
        raise InputError(field, expected, f"{'none' if codes[row] is None else repr(codes[row])} in {place(row)}")
    ours = _with_exchange({code: parts for code, parts in spelled.items() if parts is not None})
    return text.replace_strict(ours, return_dtype=pl.String).alias("symbol")


def code_in_file_name(stem: str) -> str | None:
    """The code that a file is named by, as sh600519 or 600519.SH_daily; None without any, or with more than one."""
    found = {match.group().upper() for match in IN_FILE_NAME.finditer(stem.replace("_", " "))}
    return found.pop() if len(found) == 1 else None


def _spell(code: str) -> tuple[str, str | None] | None:
    """Six digits and the exchange, None for an exchange that is not named; None for no code at all."""
    if match := CODE_FIRST.fullmatch(code) or EXCHANGE_FIRST.fullmatch(code):
        return match["code"], EXCHANGES[match["exchange"]]
    match = BARE.fullmatch(code)
    return (match["code"].zfill(6), None) if match else None


def _with_exchange(spelled: dict[str, tuple[str, str | None]]) -> dict[str, str | None]:
    possible = {
        code: [f"{digits}.{each}" for each in ((exchange,) if exchange else ("SH", "SZ", "BJ"))]
        for code, (digits, exchange) in spelled.items()
    }
    every = pl.Series(sorted({symbol for symbols in possible.values() for symbol in symbols}), dtype=pl.String)
    taken = set(every.filter(is_taken(every)))
    found: dict[str, str | None] = {}
    for code, symbols in possible.items():
        known = symbols if spelled[code][1] else [symbol for symbol in symbols if symbol in taken]
        found[code] = known[0] if len(known) == 1 else None
    return found
