"""Instruments by their code: shares and exchange-traded funds, and the kinds that the rule book does not know.

A table of code ranges in order, the first match counts; a symbol that matches none is of the kind `unknown`. Shares and
funds come first and overlap nothing below them. A code does not tell when a listing begins and ends; the table of
instruments does (domain.market.listings).

Sources of the ranges, at least two for each exchange:

Shanghai: Business Guide No. 4 on code ranges (证券代码段分配指南), second revision of 2024, with notice
上证函〔2024〕1724号, http://cjtax.cn/a/202407/1j8l0pb59chmp.shtml; its edition of 2023 as transcribed at
https://blog.csdn.net/weixin_46361114/article/details/133756647; shares also at
https://blog.csdn.net/2301_79136278/article/details/142655959.

Shenzhen: the exchange's table of code ranges (证券代码区间表), as transcribed at
https://blog.csdn.net/xunmeng2002/article/details/135992083 and
https://blog.csdn.net/ljemailbox/article/details/94774049; funds and convertible bonds also at
https://hellowac.github.io/stock_doc/stock/base/code_prefix.

Beijing: notice 北证公告〔2023〕103号 on the range 920, http://dqcpa.cn/a/20231117/b8a70bl9p5u8.shtml; all shares are of
that range from 2025-10-09 on, and had 43, 83, 87 or 88 before,
https://jingji.cctv.com/2025/10/09/ARTIJRGLKzoESfSNzYtQFnEL251009.shtml and
https://tushare.pro/document/2?doc_id=375; 82, 88 and 889 at
https://hellowac.github.io/stock_doc/stock/base/code_prefix.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from countersign.models.errors import InputError, RowError

BEGINNING: Final = date(1990, 12, 1)

KINDS: Final = (
    *("share", "fund", "bond", "repo", "index", "b_share", "preferred_share", "warrant", "open_fund", "business"),
    "unknown",
)
TAKEN_KINDS: Final = ("share", "fund")
BOARDS: Final = ("main", "chinext", "star", "fund", "beijing")
TAKEN_NAMES: Final = "a share or an exchange-traded fund, such as 600519.SH"


@dataclass(frozen=True)
class CodeRange:
    """The symbols of one exchange whose codes begin with `codes` (a regular expression); `name` is for people.

    `since` is the day from which on the range is one of the rule book's.
    """

    kind: str
    codes: str
    exchange: str
    name: str
    board: str | None = None
    since: date = BEGINNING

    @property
    def pattern(self) -> str:
        """Regular expression that a whole symbol of the range matches."""
        return rf"^(?:{self.codes})[0-9]*\.{self.exchange}$"


RANGES: Final = (
    # 600, 601, 603 and 605 are in use; the exchange gives the main board codes that begin with 60.
    CodeRange("share", "60", "SH", "a share of the main board", "main"),
    # 688: shares, 689: depositary receipts.
    CodeRange("share", "68[89]", "SH", "a share of the STAR market", "star"),
    CodeRange("share", "00[0-4]", "SZ", "a share of the main board", "main"),
    CodeRange("share", "30", "SZ", "a share of ChiNext", "chinext"),
    CodeRange("share", "43|83|87|88[0-8]|92", "BJ", "a share of the Beijing exchange", "beijing"),
    # Without 519 and 521 to 524 (open-end funds) and 580 and 582 (warrants).
    CodeRange("fund", "5(?:[03-79]|1[0-8]|2[05-9]|8[13-9])", "SH", "an exchange-traded fund", "fund"),
    # Without 1895 to 1899 (bonds of local governments).
    CodeRange("fund", "15|16|18[0-8]|189[0-4]", "SZ", "an exchange-traded fund", "fund"),
    CodeRange("index", "000|99|88[0-79]", "SH", "an index"),
    CodeRange("bond", "001|0[129]", "SH", "a government bond"),
    CodeRange("bond", "11[0138]|126", "SH", "a convertible bond"),
    CodeRange("bond", "132|137[0-4]", "SH", "an exchangeable bond"),
    CodeRange("repo", "20[1-7]", "SH", "a repo"),
    CodeRange("bond", "1|2", "SH", "a bond"),
    CodeRange("preferred_share", "330|360", "SH", "a preferred share"),
    CodeRange("open_fund", "519|52[1-4]", "SH", "an open-end fund, which is not traded at the exchange"),
    CodeRange("warrant", "58[02]", "SH", "a warrant"),
    CodeRange("business", "7|888", "SH", "a code for subscriptions and the like"),
    CodeRange("b_share", "900", "SH", "a B share"),
    CodeRange("index", "39[59]|97[01]|98", "SZ", "an index"),
    CodeRange("warrant", "03", "SZ", "a warrant"),
    CodeRange("business", "07|08|28|36|37|38|7", "SZ", "a code for subscriptions and the like"),
    CodeRange("bond", "10", "SZ", "a government bond"),
    CodeRange("bond", "12[03478]|22|121[0-4]", "SZ", "a convertible bond"),
    CodeRange("repo", "1318|1320", "SZ", "a repo"),
    CodeRange("preferred_share", "140", "SZ", "a preferred share"),
    CodeRange("bond", "11|12|13|14|189|19|5", "SZ", "a bond"),
    CodeRange("b_share", "20", "SZ", "a B share"),
    CodeRange("index", "899", "BJ", "an index"),
    CodeRange("bond", "81", "BJ", "a convertible bond"),
    CodeRange("bond", "821", "BJ", "a bond"),
    CodeRange("preferred_share", "82", "BJ", "a preferred share"),
    CodeRange("business", "84|85|889", "BJ", "a code for offers, options and subscriptions"),
)

TAKEN_PATTERN: Final = "|".join(each.pattern for each in RANGES if each.kind in TAKEN_KINDS)


def kind_expr(symbol: pl.Expr) -> pl.Expr:
    """Kind of a symbol such as 688001.SH, one of KINDS; null for null. It is slow: use it on distinct symbols."""
    found: pl.Expr = pl.when(symbol.is_not_null()).then(pl.lit("unknown"))
    for each in reversed(RANGES):
        found = pl.when(symbol.str.contains(each.pattern)).then(pl.lit(each.kind)).otherwise(found)
    return found


def board_expr(symbol: pl.Expr) -> pl.Expr:
    """Board of a share or fund, one of BOARDS; null for anything else."""
    found = pl.lit(None, pl.String)
    for each in RANGES:
        if each.board is not None:
            found = pl.when(symbol.str.contains(each.pattern)).then(pl.lit(each.board)).otherwise(found)
    return found


def is_taken(symbols: pl.Series) -> pl.Series:
    """Whether each symbol is a share or an exchange-traded fund, by one regular expression; null for null."""
    return symbols.str.contains(TAKEN_PATTERN)


def refusal(symbol: str) -> str | None:
    """Name a refused symbol with its kind ("113999.SH, a convertible bond"); None for a share or a fund."""
    found = next((each for each in RANGES if re.match(each.pattern, symbol)), None)
    if found is not None and found.kind in TAKEN_KINDS:
        return None
    name = found.name if found is not None else "of no range of codes that the rule book knows"
    return f"{symbol}, {name}"


def refuse_others(symbols: pl.Series, frame: pl.DataFrame) -> None:
    """Raise RowError for the first symbol that is no share or fund, with its kind and its row of `frame`.

    `frame` is the table as it was handed in; `symbols` its symbols in any order, spelled as ours. InputError where the
    frame spells them otherwise.
    """
    distinct = symbols.unique()
    strange = distinct.filter(~is_taken(distinct)).sort()
    if strange.is_empty():
        return
    if "symbol" in frame.columns:
        given = frame.get_column("symbol").cast(pl.String)
        rows = given.is_in(strange.implode()).arg_true()
        if not rows.is_empty():
            raise RowError("symbol", TAKEN_NAMES, str(refusal(given[rows[0]])), rows[0] + 1, rows.len() - 1)
    raise InputError("symbol", TAKEN_NAMES, refusal(strange[0]))
