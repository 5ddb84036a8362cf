"""The exchange's rules as dated data: boards, lots, price limits and stamp duty, for the mainland's three exchanges.

Data and lookups only; how a trade uses them is settlement's business. A rule counts from its `since` date on, until the
next one of the same key. The hash of the data is part of every settled day, so that a changed rule can be seen.
"""

import hashlib
import json
from datetime import date
from typing import Final

import polars as pl

BEGINNING: Final = date(1990, 12, 1)

# (board, code prefixes, exchange); the first match counts, and what matches none is on the main board.
BOARDS: Final = (
    ("star", ("688", "689"), "SH"),
    ("chinext", ("300", "301", "302"), "SZ"),
    ("fund", ("5",), "SH"),
    ("fund", ("15", "16", "18"), "SZ"),
    ("beijing", ("",), "BJ"),
)

# board: (multiple, least quantity) of a buy; sells of a part are in the same multiples.
LOTS: Final = {
    "main": (100, 100),
    "chinext": (100, 100),
    "fund": (100, 100),
    "star": (1, 200),
    "beijing": (1, 100),
}

# board: decimals of a limit price in CNY.
LIMIT_DECIMALS: Final = {"main": 2, "chinext": 2, "star": 2, "beijing": 2, "fund": 3}

# (board, since, price limit as a fraction, the same for a share under special treatment)
PRICE_LIMITS: Final = (
    ("main", BEGINNING, 0.10, 0.05),
    ("main", date(2026, 7, 6), 0.10, 0.10),
    ("chinext", BEGINNING, 0.10, 0.10),
    ("chinext", date(2020, 8, 24), 0.20, 0.20),
    ("star", BEGINNING, 0.20, 0.20),
    ("beijing", BEGINNING, 0.30, 0.30),
    ("fund", BEGINNING, 0.10, 0.10),
)

# (since, rate on sells); no duty on the boards of DUTY_FREE.
STAMP_DUTY: Final = ((BEGINNING, 0.001), (date(2023, 8, 28), 0.0005))
DUTY_FREE: Final = ("fund",)

RULES_TEXT: Final = json.dumps(
    {
        "boards": BOARDS,
        "lots": LOTS,
        "limit_decimals": LIMIT_DECIMALS,
        "price_limits": PRICE_LIMITS,
        "stamp_duty": STAMP_DUTY,
        "duty_free": DUTY_FREE,
    },
    default=date.isoformat,
    sort_keys=True,
    separators=(",", ":"),
)
RULES_SHA256: Final = hashlib.sha256(RULES_TEXT.encode()).hexdigest()


def board(symbol: pl.Expr) -> pl.Expr:
    """Board of a symbol written as code.exchange, such as 688001.SH."""
    found = pl.lit(None, pl.String)
    for name, prefixes, exchange in reversed(BOARDS):
        matches = symbol.str.contains(rf"^(?:{'|'.join(prefixes)}).*\.{exchange}$")
        found = pl.when(matches).then(pl.lit(name)).otherwise(found)
    return found.fill_null("main")


_BOARD = board(pl.col("symbol"))


def trading_rules(symbols: pl.Series, session: date) -> pl.DataFrame:
    """The rules of `session`, one row a symbol, in the order given.

    Columns: symbol, lot and least (shares), limit_decimals, limit and limit_st (fractions of the previous close), duty
    (stamp duty as a fraction of the notional of a sell).
    """
    limits = {name: rates for name, since, *rates in PRICE_LIMITS if since <= session}
    duty = [rate for since, rate in STAMP_DUTY if since <= session][-1]
    book = pl.DataFrame(
        [
            (float(lot), float(least), LIMIT_DECIMALS[name], *limits[name], 0.0 if name in DUTY_FREE else duty)
            for name, (lot, least) in LOTS.items()
        ],
        schema={
            "lot": pl.Float64,
            "least": pl.Float64,
            "limit_decimals": pl.Int32,
            "limit": pl.Float64,
            "limit_st": pl.Float64,
            "duty": pl.Float64,
        },
        orient="row",
    )
    places = symbols.alias("symbol").to_frame().select(_BOARD.cast(pl.Enum(list(LOTS)))).to_series().to_physical()
    return symbols.alias("symbol").to_frame().hstack(book[places])
