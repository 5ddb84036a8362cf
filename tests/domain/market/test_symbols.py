"""Symbols in other people's spelling."""

import polars as pl
import pytest

from countersign.domain.market.symbols import canonical, code_in_file_name
from countersign.models.errors import InputError


def spelled(*codes: object) -> list[str | None]:
    return canonical(pl.Series("code", list(codes)), "code", "row {}".format).to_list()


@pytest.mark.parametrize(
    ("code", "symbol"),
    [
        ("600519.SH", "600519.SH"),
        ("600519.sh", "600519.SH"),
        ("600519.XSHG", "600519.SH"),
        ("000001.XSHE", "000001.SZ"),
        ("SH600519", "600519.SH"),
        ("sh600519", "600519.SH"),
        ("sh.600519", "600519.SH"),
        ("bj920002", "920002.BJ"),
        ("SSE.600519", "600519.SH"),
        ("SZSE.000001", "000001.SZ"),
        (" 600519 ", "600519.SH"),
        ("688981", "688981.SH"),
        ("300750", "300750.SZ"),
        ("1", "000001.SZ"),
        ("2594", "002594.SZ"),
        ("1.0", "000001.SZ"),
        ("430047", "430047.BJ"),
        ("920002", "920002.BJ"),
        ("510300", "510300.SH"),
        ("159915", "159915.SZ"),
        ("sh000300", "000300.SH"),  # an index, and told so by its exchange
    ],
)
def test_every_spelling_is_read(code: str, symbol: str) -> None:
    assert spelled(code) == [symbol]


def test_numbers_are_codes_that_lost_their_zeros() -> None:
    assert spelled(1, 600519) == ["000001.SZ", "600519.SH"]
    assert spelled(1.0, 300750.0) == ["000001.SZ", "300750.SZ"]


def test_a_bare_code_of_no_share_or_fund_has_no_symbol() -> None:
    """Bonds, repos and B shares: 113999 of Shanghai, 204001, 900901, 200011, 131810."""
    assert spelled("113999", "204001", "900901", "200011", "131810") == [None] * 5


@pytest.mark.parametrize(
    ("codes", "got"),
    [
        (["600519.SH", "AAPL"], "'AAPL' in row 1"),
        (["600519.SH", None], "none in row 1"),
        (["600519.NY"], "'600519.NY' in row 0"),
        (["6005190"], "'6005190' in row 0"),
        ([1.5], "1.5 in row 0"),
    ],
)
def test_a_text_that_is_no_code_is_refused_with_its_row(codes: list[object], got: str) -> None:
    with pytest.raises(InputError) as caught:
        spelled(*codes)
    assert (caught.value.field, caught.value.got) == ("code", got)


@pytest.mark.parametrize(
    ("stem", "code"),
    [
        ("sh600519", "SH600519"),
        ("sh.600519", "SH.600519"),
        ("600519.SH", "600519.SH"),
        ("600519_daily", "600519"),
        ("001270_20260204_20260604_none", "001270"),
        ("SZSE.000001", "SZSE.000001"),
        ("daily", None),
        ("000001_600519", None),
        ("20240102", None),
    ],
)
def test_a_file_may_be_named_by_one_code(stem: str, code: str | None) -> None:
    assert code_in_file_name(stem) == code
