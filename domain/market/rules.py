"""The exchange's rules as dated data: boards, lots, ticks, price limits and stamp duty, for the mainland's exchanges.

Data and lookups only; how a trade uses them is settlement's business. A rule counts from its `since` date on, until the
next one of the same key. The hash of the rules in force at a session is part of its settlement, so that a changed rule
can be seen, and one that starts later touches nothing that was settled before.

docs/rules.md names two sources for each rule.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import date
from enum import Enum
from functools import lru_cache
from typing import Any, Final

import polars as pl

from countersign.domain.market.instruments import BEGINNING, RANGES, board_expr
from countersign.models.datasets import ColumnType

# (since, board, multiple of a buy, least quantity of a buy, least quantity of a sell that leaves something)
LOTS: Final = (
    (BEGINNING, "main", 100, 100, 100),
    (BEGINNING, "chinext", 100, 100, 100),
    (BEGINNING, "fund", 100, 100, 100),
    (BEGINNING, "star", 1, 200, 200),
    (BEGINNING, "beijing", 1, 100, 100),
)

# (since, board, decimals of a price in CNY): the tick is 0.01 or 0.001.
TICKS: Final = (
    (BEGINNING, "main", 2),
    (BEGINNING, "chinext", 2),
    (BEGINNING, "star", 2),
    (BEGINNING, "beijing", 2),
    (BEGINNING, "fund", 3),
)

# Boards whose limit prices are rounded towards the reference price; on the others half up to the tick.
LIMITS_INWARD: Final = ((BEGINNING, "beijing"),)

# (since, board, price limit as a fraction, the same for a share under special treatment)
PRICE_LIMITS: Final = (
    (BEGINNING, "main", 0.10, 0.05),
    (date(2026, 7, 6), "main", 0.10, 0.10),
    (BEGINNING, "chinext", 0.10, 0.10),
    (date(2020, 8, 24), "chinext", 0.20, 0.20),
    (BEGINNING, "star", 0.20, 0.20),
    (BEGINNING, "beijing", 0.30, 0.30),
    (BEGINNING, "fund", 0.10, 0.10),
)

# Funds of Shenzhen whose index holds STAR or ChiNext shares alone.
GROWTH_FUNDS: Final = [
    "159107",
    "159141",
    "159205",
    "159242",
    "159246",
    "159256",
    "159261",
    "159270",
    "159279",
    "159287",
    "159288",
    "159289",
    "159290",
    "159291",
    "159292",
    "159295",
    "159363",
    "159367",
    "159368",
    "159370",
    "159371",
    "159372",
    "159373",
    "159375",
    "159377",
    "159381",
    "159382",
    "159383",
    "159387",
    "159388",
    "159541",
    "159563",
    "159571",
    "159572",
    "159573",
    "159575",
    "159597",
    "159603",
    "159675",
    "159676",
    "159681",
    "159682",
    "159773",
    "159777",
    "159780",
    "159781",
    "159782",
    "159783",
    "159804",
    "159808",
    "159810",
    "159814",
    "159821",
    "159836",
    "159908",
    "159915",
    "159948",
    "159949",
    "159952",
    "159955",
    "159956",
    "159957",
    "159958",
    "159964",
    "159966",
    "159967",
    "159971",
    "159977",
    "159991",
]

# (since, price limit, codes as a regular expression) of such funds; every fund of 588 and 589 is one.
FUND_LIMITS: Final = (
    (date(2020, 8, 24), 0.20, r"^58[89]\d{3}\.SH$"),
    (date(2020, 8, 24), 0.20, rf"^(?:{'|'.join(GROWTH_FUNDS)})\.SZ$"),
)

# (listed since, board, sessions of a listing without a price limit)
FREE_SESSIONS: Final = (
    (BEGINNING, "main", 1),
    (date(2023, 4, 10), "main", 5),
    (BEGINNING, "chinext", 1),
    (date(2020, 8, 24), "chinext", 5),
    (BEGINNING, "star", 5),
    (BEGINNING, "beijing", 1),
    (BEGINNING, "fund", 0),
)

# (since, rate on sells); no duty on the boards of DUTY_FREE.
STAMP_DUTY: Final = ((BEGINNING, 0.001), (date(2023, 8, 28), 0.0005))
DUTY_FREE: Final = ((BEGINNING, "fund"),)

# The whole book as it was before rules were hashed by session. Sessions settled under it stay settled so.
FIRST_BOOK_SHA256: Final = "eb89df128b3efee9e489add5966230cb5d0ef60dc1c71c2cafec333766436efc"

BOARD_SCHEMA: Final[dict[str, ColumnType]] = {
    "board": pl.String,
    "lot": pl.Float64,
    "least_buy": pl.Float64,
    "least_sell": pl.Float64,
    "decimals": pl.Int32,
    "inward": pl.Boolean,
    "limit": pl.Float64,
    "limit_st": pl.Float64,
    "duty": pl.Float64,
}

MOST_FREE_SESSIONS: Final = max(sessions for _, _, sessions in FREE_SESSIONS)


class Book(Enum):
    """Editions of the book.

    FIRST knew no listings, ticks of reference prices, funds of 20 %, least sells and consolidations, and took every
    code for a share. Sessions settled under it are settled again under it, and never anew.
    """

    FIRST = "first"
    CURRENT = "current"


@lru_cache(maxsize=4096)
def rules_text(session: date) -> str:
    """Write down the rules in force at `session`, as they are hashed. A rule that starts later is not in the text."""
    boards = [[each.codes, each.exchange, each.board] for each in RANGES if each.board and each.since <= session]
    book = {
        "boards": boards,
        "lots": _newest(LOTS, session),
        "ticks": _newest(TICKS, session),
        "price_limits": _newest(PRICE_LIMITS, session),
        "limits_inward": _begun(LIMITS_INWARD, session),
        "fund_limits": _begun(FUND_LIMITS, session),
        # By the day of the listing, which may be earlier than the session.
        "free_sessions": _begun(FREE_SESSIONS, session),
        "stamp_duty": [_begun(STAMP_DUTY, session)[-1]],
        "duty_free": _begun(DUTY_FREE, session),
    }
    return json.dumps(book, default=date.isoformat, sort_keys=True, separators=(",", ":"))


@lru_cache(maxsize=4096)
def rules_sha256(session: date) -> str:
    """Hash the rules in force at `session`."""
    return hashlib.sha256(rules_text(session).encode()).hexdigest()


def book_of(sha256: str, session: date) -> Book | None:
    """Return the edition that a session was settled under, None for rules that are not ours."""
    if sha256 == FIRST_BOOK_SHA256:
        return Book.FIRST
    return Book.CURRENT if sha256 == rules_sha256(session) else None


def trading_rules(symbols: pl.Series, session: date, book: Book = Book.CURRENT) -> pl.DataFrame:
    """The rules of `session`, one row a symbol, in the order given.

    A code of no board is refused where it enters; a home that took one before holds it as a share of the main board.
    Columns: symbol, board, lot (multiple of a buy), least_buy and least_sell (shares), decimals (of a price), inward
    (whether a limit price is rounded towards the reference price), limit and limit_st (fractions of the reference
    price), duty (stamp duty as a fraction of the notional of a sell).
    """
    frame = symbols.alias("symbol").to_frame()
    boards = _by_board(session, book)
    board = board_expr(pl.col("symbol")).fill_null("main").cast(pl.Enum(boards["board"]))
    rules = frame.hstack(boards[frame.select(board).to_series().to_physical()])
    return rules if book is Book.FIRST else _with_fund_limits(rules, session)


def free_of_limits(listings: pl.DataFrame) -> pl.Series:
    """Symbols of `listings` (symbol, listed, age: 1 in the first session) that have no price limit at that age."""
    boards = listings.with_columns(board=board_expr(pl.col("symbol")))
    sessions = pl.lit(0)
    for since, board, count in FREE_SESSIONS:
        applies = (pl.col("board") == board) & (pl.col("listed") >= since)
        sessions = pl.when(applies).then(count).otherwise(sessions)
    return boards.filter(pl.col("age") <= sessions)["symbol"]


@lru_cache(maxsize=64)
def _by_board(session: date, book: Book) -> pl.DataFrame:
    ticks, limits = ({name: rest for name, *rest in _newest(table, session)} for table in (TICKS, PRICE_LIMITS))
    duty, free = _begun(STAMP_DUTY, session)[-1][-1], {name for _, name in _begun(DUTY_FREE, session)}
    inward = {name for _, name in _begun(LIMITS_INWARD, session)}
    rows = [
        {
            "board": board,
            "lot": lot,
            "least_buy": buy,
            "least_sell": lot if book is Book.FIRST else sell,
            "decimals": ticks[board][0],
            "inward": board in inward,
            "limit": limits[board][0],
            "limit_st": limits[board][1],
            "duty": 0.0 if board in free else duty,
        }
        for board, lot, buy, sell in _newest(LOTS, session)
    ]
    return pl.DataFrame(rows, schema=BOARD_SCHEMA)


def _with_fund_limits(rules: pl.DataFrame, session: date) -> pl.DataFrame:
    """Put the limit of a fund that has one of its own in place of its board's."""
    places = (rules["board"] == "fund").arg_true()
    funds = rules["symbol"].gather(places)
    for _, fraction, codes in _begun(FUND_LIMITS, session) if funds.len() else ():
        listed = places.filter(funds.str.contains(codes))
        if listed.len():
            rules = rules.with_columns(rules[name].scatter(listed, fraction) for name in ("limit", "limit_st"))
    return rules


def _begun(table: Sequence[tuple[Any, ...]], session: date) -> list[tuple[Any, ...]]:
    return [row for row in table if row[0] <= session]


def _newest(table: Sequence[tuple[Any, ...]], session: date) -> list[tuple[Any, ...]]:
    """Of each key (the second column) the newest row that has begun, without its date."""
    rows: dict[Any, tuple[Any, ...]] = {}
    for _, key, *values in sorted(_begun(table, session), key=lambda row: row[0]):
        rows[key] = (key, *values)
    return list(rows.values())
