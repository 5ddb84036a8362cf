"""Closed sets of words. Their values are contracts: the API, the ledger, the lake and the lens contain them."""

from enum import StrEnum
from typing import Final


class Universe(StrEnum):
    """The benchmark a strategy is measured against; not a filter on what it may hold."""

    HS300 = "hs300"
    CSI500 = "csi500"
    CSI1000 = "csi1000"
    CSI2000 = "csi2000"
    ETF_ALL = "etf_all"


class ExecutionPrice(StrEnum):
    """The price of the session at which a rebalance trades; it decides the deadline too."""

    OPEN = "open"
    CLOSE = "close"


class StrategyStatus(StrEnum):
    """`pending` becomes `active` with its first signal; `retired` is final."""

    PENDING = "pending"
    ACTIVE = "active"
    PAUSED = "paused"
    RETIRED = "retired"


class Side(StrEnum):
    """Side of an order."""

    BUY = "buy"
    SELL = "sell"


class Refusal(StrEnum):
    """Reason for which an order, or a part of it, was not filled."""

    SUSPENDED = "SUSPENDED"
    LIMIT_UP = "LIMIT_UP"
    LIMIT_DOWN = "LIMIT_DOWN"
    NO_MARKET_DATA = "NO_MARKET_DATA"
    BELOW_LOT = "BELOW_LOT"
    CASH_SHORT = "CASH_SHORT"


# Reason of the order by which a holding that is no longer listed is exchanged. It is filled: no refusal.
DELISTED: Final = "DELISTED"


class Event(StrEnum):
    """Event of a settled session for a strategy."""

    REBALANCE = "REBALANCE"
    HOLD = "HOLD"


class Severity(StrEnum):
    """Weight of a quality finding: a `hold` stops settlement, a `warn` is only reported."""

    HOLD = "hold"
    WARN = "warn"


class Verdict(StrEnum):
    """Verdict on a claimed performance against the settled NAV."""

    CONSISTENT = "consistent"
    MODERATE_DIVERGENCE = "moderate_divergence"
    SIGNIFICANT_DIVERGENCE = "significant_divergence"


class TicketCategory(StrEnum):
    """Subject of a ticket."""

    BUG = "bug"
    FEATURE = "feature"
    FEEDBACK = "feedback"
    DATA = "data"
    OTHER = "other"


class TicketStatus(StrEnum):
    """A ticket is `answered` once the operator has replied, and `resolved` for good."""

    OPEN = "open"
    ANSWERED = "answered"
    RESOLVED = "resolved"


class NoticeKind(StrEnum):
    """Kinds of users' notifications; each can be muted by itself. Operators' notifications have kinds of their own."""

    SETTLED = "settled"
    ORDERS_REFUSED = "orders_refused"
    CORRECTED = "corrected"
    SEALED_LATE = "sealed_late"
    DEADLINE_NEAR = "deadline_near"
    FACTOR_ACCEPTED = "factor_accepted"
    FACTOR_REJECTED = "factor_rejected"
    FACTOR_REVALIDATED = "factor_revalidated"
    PORTFOLIO_WITHOUT_SIGNAL = "portfolio_without_signal"
    TICKET_ANSWERED = "ticket_answered"
    ACCOUNT_CHANGED = "account_changed"


class FactorUniverse(StrEnum):
    """The universes that factors are measured on: those with enough names for quintiles, and known members."""

    HS300 = "hs300"
    CSI500 = "csi500"
    CSI1000 = "csi1000"


class FactorStatus(StrEnum):
    """`draft` becomes `ready` with enough sessions of values; validation makes `active` or `rejected` of it."""

    DRAFT = "draft"
    READY = "ready"
    VALIDATING = "validating"
    ACTIVE = "active"
    REJECTED = "rejected"


class Phase(StrEnum):
    """Phase of a factor's IC: `is` (in sample) up to its admission, `os` (out of sample) since."""

    IS = "is"
    OS = "os"


class Weighting(StrEnum):
    """Weighting of a portfolio's factors: all the same, or by the absolute value of their IC ratio."""

    EQUAL = "equal"
    IC_WEIGHTED = "ic_weighted"


class PortfolioStatus(StrEnum):
    """`draft` becomes `active` once, with a strategy of its own; `active` and `paused` go to and fro."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"


class SortKey(StrEnum):
    """Sort key of a list of strategies: best first, those without the figure last, ties newest first."""

    NEWEST = "newest"
    SCORE = "score"
    SHARPE = "sharpe"
    TOTAL_RETURN = "total_return"
    ANNUAL_RETURN = "annual_return"
    EXCESS_SHARPE = "excess_sharpe"
    MAX_DRAWDOWN = "max_drawdown"
    PSR = "psr"
    DEFLATED_SHARPE = "deflated_sharpe"
    TRADING_DAYS = "trading_days"
