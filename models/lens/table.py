"""Table of the lens, as a declaration, and the columns that many tables share."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LensTable:
    """One table (or view) of the lens: `columns` maps a name to its SQL type and its comment."""

    name: str
    comment: str
    columns: dict[str, tuple[str, str]]


MONEY = "DECIMAL(18,2)"
TIME = "TIMESTAMP WITH TIME ZONE"

STRATEGY = ("VARCHAR", "slug of the strategy; strategies.slug")
SESSION = ("DATE", "trading session of the exchange")
SYMBOL = ("VARCHAR", "code and exchange, such as 600000.SH")
