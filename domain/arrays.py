"""The arrays that settlement computes with: one session's quotes, and the books of many strategies.

Columns rather than rows, symbols and strategies as codes that ascend with their names, money in integer fen. Shapes and
units only; `domain.settlement.kernel` computes with them, `domain.settlement.engine` makes them from frames.
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Codes = NDArray[np.int32]
Flags = NDArray[np.bool_]
Table = NDArray[np.int32]

TALLY_COLUMNS = 9


class Quotes(NamedTuple):
    """Quotes of one session, by symbol code. Prices in CNY, rates as fractions, nan where unknown; a limit that
    does not exist is infinite. `own_factor` is that of the session's bar, `factor` the symbol's last known one; `fall`
    is below 1 where it consolidated units. A price from `locked_up` up, half a tick under the limit, is at the limit;
    so is one from `locked_down` down.
    """

    tradable: Flags
    known: Flags
    open: Floats
    close: Floats
    factor: Floats
    own_factor: Floats
    fall: Floats
    limit_up: Floats
    limit_down: Floats
    locked_up: Floats
    locked_down: Floats
    lot: Floats
    least_buy: Floats
    least_sell: Floats
    duty: Floats
    recorded: Flags
    dividend: Floats
    bonus: Floats


class Accounts(NamedTuple):
    """Terms and state, by strategy. `since` is -1 before the first rebalance; rows of strategy i in the holdings and
    the signals are those from first_…[i] to first_…[i + 1], symbols ascending.
    """

    cash: Integers
    since: Codes
    holding_period: Codes
    at_close: Flags
    commission_rate: Floats
    slippage_rate: Floats
    paused: Flags
    signalled: Flags
    first_holding: Integers
    first_signal: Integers


class Holdings(NamedTuple):
    """Positions: shares, last close in CNY, highest factor seen (nan: adopt the next), value in fen."""

    strategy: Codes
    symbol: Codes
    quantity: Floats
    close: Floats
    factor: Floats
    value: Integers

    @classmethod
    def room(cls, rows: int) -> Self:
        """Columns for so many rows, not yet written."""
        kinds = (np.int32, np.int32, np.float64, np.float64, np.float64, np.int64)
        return cls._make(np.empty(rows, kind) for kind in kinds)


class Signals(NamedTuple):
    """Target weights, all above 0."""

    symbol: Codes
    weight: Floats


class Workspace(NamedTuple):
    """Working space for one strategy: the symbols it holds or wants, as in Holdings, with their target weights."""

    symbol: Codes
    quantity: Floats
    close: Floats
    factor: Floats
    weight: Floats

    @classmethod
    def room(cls, rows: int) -> Self:
        """Columns for so many rows, not yet written."""
        return cls._make(np.empty(rows, kind) for kind in (np.int32, *(np.float64,) * 4))


class Orders(NamedTuple):
    """Orders: quantities in shares, price in CNY (nan if nothing was filled), money in fen."""

    strategy: Codes
    symbol: Codes
    side: Codes
    wanted: Floats
    filled: Floats
    price: Floats
    notional: Integers
    commission: Integers
    duty: Integers
    reason: Codes

    @classmethod
    def room(cls, rows: int) -> Self:
        """Columns for so many rows, not yet written."""
        kinds = (np.int32, np.int32, np.int32, *(np.float64,) * 3, *(np.int64,) * 3, np.int32)
        return cls._make(np.empty(rows, kind) for kind in kinds)


class Results(NamedTuple):
    """Results of a session by strategy: money in fen, whether it rebalanced, tally of its orders."""

    nav: Integers
    cash: Integers
    since: Codes
    rebalanced: Flags
    tally: Table

    @classmethod
    def room(cls, rows: int) -> Self:
        """Columns for so many strategies; only the tally is cleared."""
        nav, cash, since = np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.int32)
        return cls(nav, cash, since, np.empty(rows, np.bool_), np.zeros((rows, TALLY_COLUMNS), np.int32))


class Outcome(NamedTuple):
    """Outcome of a session: results, orders and positions."""

    orders: Orders
    positions: Holdings
    results: Results


class Sorted(NamedTuple):
    """Cross-sections in ascending order, rows × symbols; `domain.factors.kernel.sort_out` makes and explains them."""

    chain: Table
    ranks: Table
    counts: Codes
