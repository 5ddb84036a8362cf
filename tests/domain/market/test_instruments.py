"""Every symbol has one kind: lists by hand from the exchanges' tables of code ranges, and laws over all codes."""

import polars as pl
import pytest

from countersign.domain.market.instruments import (
    BOARDS,
    KINDS,
    RANGES,
    TAKEN_KINDS,
    board_expr,
    is_taken,
    kind_expr,
    refusal,
    refuse_others,
)
from countersign.models.errors import InputError
from tests.support.shared import shared

BY_KIND = {
    "share": "600519.SH 601318.SH 603259.SH 605555.SH 688981.SH 689009.SH 000001.SZ 001965.SZ 002594.SZ 003816.SZ "
    "300750.SZ 301001.SZ 302132.SZ 430047.BJ 835185.BJ 871981.BJ 920002.BJ",
    "fund": "500056.SH 501018.SH 505888.SH 508000.SH 510300.SH 511880.SH 513100.SH 518880.SH 520500.SH 530000.SH "
    "560010.SH 588000.SH 589000.SH 150019.SZ 158001.SZ 159915.SZ 161725.SZ 180101.SZ 184801.SZ",
    "bond": "010107.SH 018006.SH 019547.SH 110059.SH 111000.SH 113999.SH 118000.SH 122000.SH 132004.SH 137001.SH "
    "240001.SH 101698.SZ 112001.SZ 123001.SZ 127005.SZ 128136.SZ 149001.SZ 189501.SZ 190001.SZ 524001.SZ "
    "810011.BJ 821001.BJ",
    "repo": "201001.SH 204001.SH 204182.SH 131810.SZ 131800.SZ",
    "index": "000001.SH 000300.SH 000688.SH 399001.SZ 399006.SZ 395001.SZ 899050.BJ",
    "b_share": "900901.SH 200002.SZ 201872.SZ",
    "preferred_share": "360001.SH 330001.SH 140001.SZ 820001.BJ",
    "warrant": "580989.SH 582989.SH 031001.SZ 038008.SZ",
    "open_fund": "519001.SH 519888.SH 522001.SH",
    "business": "730519.SH 787981.SH 799999.SH 888880.SH 072594.SZ 080001.SZ 380001.SZ 889001.BJ",
    "unknown": "400001.SH 612345.SH 687001.SH 300750.SH 999999.BJ 000001.BJ 600519.SZ 688981.SZ 005001.SZ 400001.BJ",
}
BY_BOARD = {
    "main": "600519.SH 605555.SH 000001.SZ 002594.SZ 003816.SZ 004001.SZ",
    "chinext": "300750.SZ 301001.SZ 302132.SZ",
    "star": "688981.SH 689009.SH",
    "fund": "510300.SH 588000.SH 159915.SZ 161725.SZ 184801.SZ",
    "beijing": "430047.BJ 835185.BJ 871981.BJ 920002.BJ",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_symbol_has_the_kind_listed_by_hand(kind: str) -> None:
    symbols = pl.DataFrame({"symbol": BY_KIND[kind].split()})
    assert symbols.select(kind_expr(pl.col("symbol"))).to_series().unique().to_list() == [kind]


@pytest.mark.parametrize("board", BOARDS)
def test_a_symbol_has_the_board_listed_by_hand(board: str) -> None:
    symbols = pl.DataFrame({"symbol": BY_BOARD[board].split()})
    assert symbols.select(board_expr(pl.col("symbol"))).to_series().unique().to_list() == [board]


def _all_codes() -> pl.DataFrame:
    symbols = [
        f"{start:04}{end}.{exchange}"
        for start in range(10_000)
        for end in ("00", "57", "99")
        for exchange in ("SH", "SZ", "BJ")
    ]
    symbol = pl.col("symbol")
    return pl.DataFrame({"symbol": symbols}).with_columns(
        kind=kind_expr(symbol), board=board_expr(symbol), taken=is_taken(pl.Series(symbols))
    )


def test_every_symbol_has_one_kind_and_every_taken_one_a_board() -> None:
    """No range of the table looks further than four digits, so that all beginnings of four cover all symbols."""
    codes = _all_codes()
    assert set(codes["kind"]) == set(KINDS)
    assert codes.filter(pl.col("kind").is_in(TAKEN_KINDS) != pl.col("taken")).is_empty()
    assert codes.filter(pl.col("board").is_null() == pl.col("taken")).is_empty()
    assert codes.filter((pl.col("board") == "fund") != (pl.col("kind") == "fund")).is_empty()


def test_shares_and_funds_overlap_nothing() -> None:
    symbols = _all_codes()["symbol"]
    taken = [each for each in RANGES if each.kind in TAKEN_KINDS]
    matches = sum(symbols.str.contains(each.pattern).cast(pl.Int8) for each in taken)
    assert isinstance(matches, pl.Series)
    assert matches.max() == 1


def test_a_symbol_that_is_not_taken_is_refused_by_its_kind() -> None:
    for kind, symbols in BY_KIND.items():
        for symbol in symbols.split():
            words = refusal(symbol)
            assert (words is None) == (kind in TAKEN_KINDS)
            assert words is None or words.startswith(f"{symbol}, ")
    assert refusal("113999.SH") == "113999.SH, a convertible bond"
    assert refusal("900901.SH") == "900901.SH, a B share"
    assert refusal("612345.SH") == "612345.SH, of no range of codes that the rule book knows"


def test_the_first_row_that_is_not_taken_is_named() -> None:
    frame = pl.DataFrame({"symbol": ["600519.SH", "204001.SH", "113999.SH", "204001.SH"]})
    with pytest.raises(InputError, match=r"204001\.SH, a repo in row 2 \(and in 2 more\)") as caught:
        refuse_others(frame["symbol"].sort(), frame)
    assert caught.value.field == "symbol"
    refuse_others(frame["symbol"][:1], frame)


@pytest.mark.parametrize("name", ["bars_csi800_2018_2026.parquet", "bars_full_market_2025_2026.parquet"])
def test_the_symbols_of_real_bars_are_taken(name: str) -> None:
    symbols = pl.scan_parquet(shared(f"market/{name}")).select(pl.col("symbol").unique()).collect()
    assert symbols.filter(~is_taken(symbols["symbol"])).is_empty()
