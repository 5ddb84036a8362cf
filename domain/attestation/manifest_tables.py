"""Manifest tables: the small tables among a manifest's inputs, read back from untrusted bytes."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from countersign.domain.attestation.fields import SYMBOL, read_day, require_match

NUMBER = re.compile(r"^[0-9]{1,20}(?:\.[0-9]{1,40})?(?:e-[0-9]{1,2})?$")
NUMBER_OR_NONE = re.compile(rf"{NUMBER.pattern}|^$")
AGE = re.compile(r"^[1-9][0-9]{0,3}$")
NOTHING = re.compile(r"^$")
ROWS = {"listings": ("symbol", "listed", "age"), "delistings": ("symbol", "cash", "successor", "ratio")}

Listing = tuple[str, date, int]
Delisting = tuple[str, float | None, str | None, float | None]


def read_listings(inputs: Mapping[str, Any]) -> tuple[Listing, ...]:
    """Read the symbols in their first sessions: symbol, day of listing, number of the session from 1."""
    return tuple(_listing(item) for item in _rows(inputs, "listings"))


def read_delistings(inputs: Mapping[str, Any]) -> tuple[Delisting, ...]:
    """Read the holdings that are no longer listed: symbol, cash, successor, ratio; None: not known."""
    return tuple(_delisting(item) for item in _rows(inputs, "delistings"))


def _rows(inputs: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Rows of a manifest's input, each with the names of its columns; none where the manifest has no such input."""
    columns = ROWS[name]
    rows = inputs.get(name, [])
    if not isinstance(rows, list) or any(not isinstance(row, list) or len(row) != len(columns) for row in rows):
        raise ValueError(f"{name}: expected rows of {', '.join(columns)}")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _listing(item: dict[str, Any]) -> Listing:
    require_match(item, symbol=SYMBOL, age=AGE)
    return item["symbol"], read_day(item, "listed"), int(item["age"])


def _delisting(item: dict[str, Any]) -> Delisting:
    require_match(item, symbol=SYMBOL, cash=NUMBER_OR_NONE)
    cash = float(item["cash"]) if item["cash"] else None
    if item["successor"] == "":
        require_match(item, ratio=NOTHING)
        return item["symbol"], cash, None, None
    require_match(item, successor=SYMBOL, ratio=NUMBER)
    return item["symbol"], cash, item["successor"], float(item["ratio"])
