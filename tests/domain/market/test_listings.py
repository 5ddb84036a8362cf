"""Instruments as handed in, by hand, and how a newer file adds to the known ones."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from countersign.domain.market.listings import INSTRUMENTS_SCHEMA, add_known, normalise_instruments
from countersign.models.errors import InputError


def listing(**values: Any) -> pl.DataFrame:
    return normalise_instruments(pl.DataFrame([{"symbol": "600999.SH", **values}]))


def known(**values: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(INSTRUMENTS_SCHEMA)
    return {**nothing, "symbol": "600999.SH", "kind": "share", "board": "main", **values}


def test_a_symbol_alone_is_enough() -> None:
    assert listing().to_dicts() == [known()]
    assert normalise_instruments(pl.DataFrame({"symbol": ["588000.SH"]})).row(0)[2:4] == ("fund", "fund")


@pytest.mark.parametrize(
    ("value", "columns"),
    [
        ("1.25", {"delisting_cash": 1.25}),
        (0, {"delisting_cash": 0.0}),
        (0.0, {"delisting_cash": 0.0}),
        ("0.1339*600150.SH", {"successor": "600150.SH", "successor_ratio": 0.1339}),
        (" 2 * 000001.SZ ", {"successor": "000001.SZ", "successor_ratio": 2.0}),
        (None, {}),
        (float("nan"), {}),
        ("", {}),
    ],
)
def test_a_delisting_value_is_read_in_each_form(value: Any, columns: dict[str, Any]) -> None:
    assert listing(delisted="2025-03-07", delisting_value=value).to_dicts() == [
        known(delisted=date(2025, 3, 7), **columns)
    ]


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"symbol": "113999.SH"}, "symbol", "a convertible bond"),
        ({"kind": "fund"}, "kind", "expected share, as the code 600999.SH says, got fund"),
        ({"kind": "bond"}, "kind", "one of share, fund"),
        ({"board": "star"}, "board", "expected main, as the code 600999.SH says, got star"),
        ({"listed": "2025-03-07", "delisted": "2025-03-06"}, "delisted", "a day after 600999.SH was listed"),
        ({"listed": "soon"}, "listed", "a date"),
        ({"delisting_value": "half"}, "delisting_value", "'half'"),
        ({"delisting_value": -1}, "delisting_value", "'-1'"),
        ({"delisting_value": "0*600150.SH"}, "delisting_value", "0.1339"),
        ({"delisting_value": "1*600999.SH"}, "delisting_value", "another symbol"),
        ({"delisting_value": "1*900901.SH"}, "delisting_value", "a B share"),
        ({"isin": "CNE"}, "isin", "unknown column"),
    ],
)
def test_a_refused_row_names_its_field(values: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        listing(**values)
    assert caught.value.field == field
    assert words in str(caught.value)


def test_two_rows_of_one_symbol_are_refused() -> None:
    with pytest.raises(InputError, match=r"several of 600999\.SH"):
        normalise_instruments(pl.DataFrame({"symbol": ["600999.SH", "600999.SH"]}))


def test_a_value_counts_and_none_keeps_what_is_known() -> None:
    before = listing(name="Old", listed="2001-01-02", delisted="2025-03-07", delisting_value="0.5*600150.SH")
    kept = add_known(listing(), before)
    assert kept.equals(before)
    cash = add_known(listing(name="New", delisting_value="0"), before)
    assert cash.to_dicts() == [
        known(name="New", listed=date(2001, 1, 2), delisted=date(2025, 3, 7), delisting_cash=0.0)
    ]
    assert add_known(before, pl.DataFrame(schema=INSTRUMENTS_SCHEMA)).equals(before)
