"""Closed sets of words. Their values are contracts: they stand in the API, the ledger, the lake and the lens."""

from enum import StrEnum


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
    """Why an order, or a part of it, was not filled."""

    SUSPENDED = "SUSPENDED"
    LIMIT_UP = "LIMIT_UP"
    LIMIT_DOWN = "LIMIT_DOWN"
    NO_MARKET_DATA = "NO_MARKET_DATA"
    BELOW_LOT = "BELOW_LOT"
    CASH_SHORT = "CASH_SHORT"


class Event(StrEnum):
    """What a settled session was for a strategy."""

    REBALANCE = "REBALANCE"
    HOLD = "HOLD"


class Severity(StrEnum):
    """Weight of a quality finding: a `hold` stops settlement, a `warn` is only told."""

    HOLD = "hold"
    WARN = "warn"


class Verdict(StrEnum):
    """How a claimed performance compares with what the platform settled."""

    CONSISTENT = "consistent"
    MODERATE_DIVERGENCE = "moderate_divergence"
    SIGNIFICANT_DIVERGENCE = "significant_divergence"


class Order(StrEnum):
    """What a list of strategies is in order of: best first, those without the figure last, ties newest first."""

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
