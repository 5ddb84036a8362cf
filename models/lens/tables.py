"""The lens's tables: names, columns in order, types, and the comments that the file keeps beside them.

Analysts may rely on them. Filling the tables is the store's business.
"""

from countersign.models.lens.external import EXTERNAL_GAPS, EXTERNAL_OUTCOMES, EXTERNAL_SIGNALS
from countersign.models.lens.factors import FACTOR_IC, FACTOR_VALUES, FACTORS
from countersign.models.lens.table import MONEY, SESSION, STRATEGY, SYMBOL, TIME, LensTable

STRATEGIES = LensTable(
    "strategies",
    "Every strategy with its immutable terms and its present status",
    {
        "slug": ("VARCHAR", "short name, unique; what other tables call strategy"),
        "name": ("VARCHAR", "name its owner gave it"),
        "owner": ("VARCHAR", "nickname of its owner"),
        "universe": ("VARCHAR", "benchmark: hs300, csi500, csi1000, csi2000 or etf_all"),
        "execution_price": ("VARCHAR", "price at which it trades: open or close"),
        "holding_period": ("INTEGER", "minimum sessions between rebalances"),
        "initial_capital": (MONEY, "CNY"),
        "commission_rate": ("DOUBLE", "fraction of the notional, on buys and sells"),
        "slippage_rate": ("DOUBLE", "fraction of the price, against the strategy"),
        "status": ("VARCHAR", "pending, active, paused or retired, when this lens was published"),
        "is_public": ("BOOLEAN", "whether it is shown to everyone"),
        "created_at": (TIME, "when it was opened"),
        "activated_at": (TIME, "when its first signal came; null: none yet"),
        "retired_at": (TIME, "when it was retired; null: it was not"),
    },
)

SIGNALS = LensTable(
    "signals",
    "Every revision of every signal of the settled sessions, a row a symbol; the highest revision was settled",
    {
        "strategy": STRATEGY,
        "session": SESSION,
        "revision": ("INTEGER", "1 for the first submission, then counted up"),
        "symbol": SYMBOL,
        "weight": ("DOUBLE", "share of equity wanted, in (0, 1]"),
        "received_at": (TIME, "when the server had it whole"),
        "margin_seconds": ("DOUBLE", "seconds from receipt to the deadline"),
        "signal_hash": ("VARCHAR", "hex SHA-256 of the sealed payload"),
        "commit_sha": ("VARCHAR", "journal commit that sealed it; null: not sealed"),
        "commit_time": (TIME, "time of that commit; null: not sealed"),
        "evidence": (
            "VARCHAR",
            "server_only: that time is the server's word; tsa: a timestamp authority's, from before the deadline",
        ),
    },
)

ORDERS = LensTable(
    "orders",
    "Every order of the settled sessions, filled or refused",
    {
        "strategy": STRATEGY,
        "session": SESSION,
        "symbol": SYMBOL,
        "side": ("VARCHAR", "buy or sell"),
        "wanted": ("DOUBLE", "shares asked for"),
        "filled": ("DOUBLE", "shares traded"),
        "price": ("DOUBLE", "fill price, CNY a share, slippage included; null: nothing filled"),
        "notional": (MONEY, "filled × price, CNY"),
        "commission": (MONEY, "CNY"),
        "stamp_duty": (MONEY, "CNY; on sells of shares"),
        "reason": (
            "VARCHAR",
            "why not all of it was filled: SUSPENDED, LIMIT_UP, LIMIT_DOWN, NO_MARKET_DATA, BELOW_LOT, CASH_SHORT; or"
            " DELISTED: no order of the strategy's, but the exchange of a holding that is no longer listed",
        ),
    },
)

POSITIONS = LensTable(
    "positions",
    "What each strategy held after each settled session",
    {
        "strategy": STRATEGY,
        "session": SESSION,
        "symbol": SYMBOL,
        "quantity": ("DOUBLE", "shares; fractional only after a corporate action"),
        "close": (
            "DOUBLE",
            "price it is valued at, CNY a share, unadjusted: the session's close or the last one before",
        ),
        "market_value": (MONEY, "quantity × close, CNY"),
    },
)

NAV = LensTable(
    "nav",
    "Net asset value of each strategy after each settled session: cash and market values, exactly",
    {
        "strategy": STRATEGY,
        "session": SESSION,
        "nav": (MONEY, "net asset value, CNY"),
        "cash": (MONEY, "CNY"),
        "daily_return": ("DOUBLE", "nav against the session before, as a fraction: 0.01 is one per cent"),
        "cumulative_return": ("DOUBLE", "nav against the initial capital, as a fraction"),
        "benchmark_return": ("DOUBLE", "daily return of the strategy's benchmark index; null: unknown"),
        "event": ("VARCHAR", "REBALANCE or HOLD"),
        "detail": ("VARCHAR", "why it was a HOLD, in words"),
    },
)

EVALUATIONS = LensTable(
    "evaluations",
    "Every metric of each strategy as of each settled session, by its whole history up to there; null: undefined",
    {
        "strategy": STRATEGY,
        "session": SESSION,
        "sessions": ("INTEGER", "settled sessions so far: n"),
        "total_return": ("DOUBLE", "nav against the initial capital, as a fraction"),
        "annual_return": ("DOUBLE", "total return compounded to 252 sessions, as a fraction"),
        "volatility": ("DOUBLE", "standard deviation of daily returns × √252, as a fraction"),
        "sharpe": ("DOUBLE", "mean / standard deviation of daily returns × √252; risk-free rate 0"),
        "max_drawdown": ("DOUBLE", "deepest fall from a peak, the initial capital included, as a positive fraction"),
        "calmar": ("DOUBLE", "annual_return / max_drawdown"),
        "benchmark_return": ("DOUBLE", "the benchmark's daily returns since the first session, compounded"),
        "excess_return": ("DOUBLE", "total_return − benchmark_return"),
        "excess_sharpe": ("DOUBLE", "Sharpe ratio of the daily returns in excess of the benchmark's"),
        "rolling_excess_sharpe": ("DOUBLE", "the same over the last 60 sessions; null before the 60th"),
        "sortino": ("DOUBLE", "mean daily return / root mean square of the negative ones × √252"),
        "turnover": ("DOUBLE", "mean of a session's traded notional, buys and sells / nav of the session before"),
        "cost": ("DOUBLE", "commission, stamp duty and slippage so far / initial capital"),
        "psr": ("DOUBLE", "probability that the true Sharpe ratio is above 0 (Bailey, López de Prado 2012)"),
        "deflated_sharpe": (
            "DOUBLE",
            "probability that it is above the best to be expected of so many trials without skill (2014)",
        ),
        "trials": ("INTEGER", "strategies its owner had opened by then, hidden and retired ones included"),
        "min_track_record": ("BIGINT", "sessions that psr ≥ 0.95 takes at these moments; null: it never would"),
        "score": ("DOUBLE", "0 to 100, the sum of the score_ columns; null before the 20th session"),
        "score_psr": ("DOUBLE", "points for psr, of 35"),
        "score_excess": ("DOUBLE", "points for the share of rolling excess Sharpe ratios above 0, of 20"),
        "score_drawdown": ("DOUBLE", "points for a small drawdown, of 20"),
        "score_length": ("DOUBLE", "points for length, of 15: all from 252 sessions on"),
        "score_claim": ("DOUBLE", "points for a claim that is consistent with what was settled, of 10"),
    },
)

CLAIMS = LensTable(
    "claims",
    "What researchers claim their strategies' NAV was, as uploaded last; replaced and deleted uploads are not shown",
    {
        "strategy": STRATEGY,
        "session": ("DATE", "date of the record"),
        "nav": ("DOUBLE", "claimed net asset value, from 1 at the first record"),
        "after_activation": ("BOOLEAN", "dated on or after the day of activation: what the claim is tracked by"),
    },
)

STANDINGS = LensTable(
    "standings",
    "Where each strategy with a NAV stands after its newest settled session, by its newest evaluation",
    {
        "strategy": STRATEGY,
        "session": ("DATE", "its newest settled session"),
        "trading_days": ("INTEGER", "settled sessions through that one"),
        **{name: NAV.columns[name] for name in ("nav", "daily_return", "cumulative_return")},
        "evaluated": ("DATE", "session of its newest evaluation, which all that follows is of; null: none yet"),
        **{name: column for name, column in EVALUATIONS.columns.items() if name not in {"strategy", "session"}},
    },
)

SETTLEMENTS = LensTable(
    "settlements",
    "Settled sessions and the hashes that prove them; a correction is a higher version, whose results the lens shows",
    {
        "session": SESSION,
        "version": ("INTEGER", "1, and counted up by corrections"),
        "strategies": ("INTEGER", "how many strategies were settled"),
        "bars_sha256": ("VARCHAR", "hash of the bars that went in"),
        "rules_sha256": ("VARCHAR", "hash of the rule book that went in"),
        "manifest_sha256": ("VARCHAR", "hash of the manifest: all inputs, and every file written"),
        "commit_sha": ("VARCHAR", "journal commit that sealed the manifest; null: not sealed"),
        "settled_at": (TIME, "when it was settled"),
    },
)

CORRECTIONS = LensTable(
    "corrections",
    "What corrected sessions were in the versions before: a row a strategy, session and superseded version",
    {
        "strategy": STRATEGY,
        "session": SESSION,
        "version": ("INTEGER", "the superseded one; settlements.version"),
        "nav": (MONEY, "net asset value in that version, CNY"),
        "daily_return": ("DOUBLE", "as in nav, in that version"),
        "cumulative_return": ("DOUBLE", "that nav against the initial capital, as a fraction"),
        "benchmark_return": ("DOUBLE", "as in nav, in that version; null: unknown then"),
        "settled_at": (TIME, "when that version was settled"),
        "difference": (MONEY, "nav of the newest version less this one, CNY"),
    },
)

BARS = LensTable(
    "bars",
    "Daily bars, unadjusted, through the newest settled session; adjusted price = price × adj_factor",
    {
        "symbol": SYMBOL,
        "session": SESSION,
        "open": ("DOUBLE", "CNY a share"),
        "high": ("DOUBLE", "CNY a share"),
        "low": ("DOUBLE", "CNY a share"),
        "close": ("DOUBLE", "CNY a share"),
        "volume": ("DOUBLE", "shares traded"),
        "amount": ("DOUBLE", "CNY traded"),
        "adj_factor": ("DOUBLE", "cumulative adjustment factor; null: unknown"),
        "suspended": ("BOOLEAN", "whether trading was suspended; null: unknown"),
        "limit_up": ("DOUBLE", "highest price allowed, CNY a share; null: by the rule book"),
        "limit_down": ("DOUBLE", "lowest price allowed, CNY a share; null: by the rule book"),
        "is_st": ("BOOLEAN", "whether it was under special treatment; null: unknown"),
    },
)

INDEX_LEVELS = LensTable(
    "index_levels",
    "Closing levels of the benchmark indices, through the newest settled session",
    {
        "index": ("VARCHAR", "hs300, csi500, csi1000, csi2000 or etf_all"),
        "session": SESSION,
        "close": ("DOUBLE", "level, in points"),
    },
)

LENS_TABLES = (
    STRATEGIES,
    SIGNALS,
    ORDERS,
    POSITIONS,
    NAV,
    EVALUATIONS,
    CLAIMS,
    STANDINGS,
    SETTLEMENTS,
    CORRECTIONS,
    FACTORS,
    FACTOR_IC,
    BARS,
    INDEX_LEVELS,
    FACTOR_VALUES,
    EXTERNAL_SIGNALS,
    EXTERNAL_OUTCOMES,
    EXTERNAL_GAPS,
)
