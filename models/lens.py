"""The lens's tables: names, columns in order, types, and the comments that stand beside them in the file.

What an analyst may rely on. How the rows get there is the store's business.
"""

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
            "why not all of it was filled: SUSPENDED, LIMIT_UP, LIMIT_DOWN, NO_MARKET_DATA, BELOW_LOT, CASH_SHORT",
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
    "What the NAV of corrected sessions was in the versions before: a row a strategy, session and superseded version",
    {
        "strategy": STRATEGY,
        "session": SESSION,
        "version": ("INTEGER", "the superseded one; settlements.version"),
        "nav": (MONEY, "net asset value in that version, CNY"),
        "cumulative_return": ("DOUBLE", "that nav against the initial capital, as a fraction"),
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

FACTOR = ("VARCHAR", "id of the factor; factors.id")

FACTORS = LensTable(
    "factors",
    "Every alpha factor: how it stands, what validation measured (in sample), and how it did since (out of sample)",
    {
        "id": ("VARCHAR", "what other tables call factor"),
        "name": ("VARCHAR", "name its owner gave it; not unique"),
        "owner": ("VARCHAR", "nickname of its owner"),
        "universe": ("VARCHAR", "hs300, csi500 or csi1000"),
        "status": ("VARCHAR", "draft, ready, validating, active or rejected, when this lens was published"),
        "expression": ("VARCHAR", "formula, as its owner says; not verified"),
        "ic_mean": ("DOUBLE", "mean rank IC with the return from one close after to the next; null: not validated"),
        "ic_ir": ("DOUBLE", "mean IC over its sample standard deviation, a session, not annualised"),
        "ic_decay": ("DOUBLE[]", "mean IC with the returns of lags 1 to 5"),
        "turnover": ("DOUBLE", "mean share of the outer quintiles' members that are new, a session"),
        "sharpe": ("DOUBLE", "of the long-short return, annualised by the square root of 252"),
        "fitness": ("DOUBLE", "sharpe × √(|annual return| / turnover of at least 0.02)"),
        "coverage": ("DOUBLE", "mean share of the universe with a value; null: the universe is not known"),
        "data_days": ("INTEGER", "sessions with values, when it was validated"),
        "max_correlation": ("DOUBLE", "largest by absolute value with another active factor of its owner"),
        "newey_west_t": ("DOUBLE", "t-statistic of the mean IC, lag 5"),
        "ic_sign_share": ("DOUBLE", "share of sessions whose IC has the sign of the mean"),
        "yearly_stats": (
            'STRUCT("year" INTEGER, ic_mean DOUBLE, ic_ir DOUBLE, "returns" DOUBLE, drawdown DOUBLE, turnover DOUBLE,'
            ' "days" INTEGER)[]',
            "by calendar year: returns and drawdown of the long-short portfolio, as fractions",
        ),
        "reject_reason": ("VARCHAR", "which checks it failed; null: none"),
        "os_ic_mean_30d": ("DOUBLE", "mean IC of the last 30 sessions that count; null with fewer than 10"),
        "os_ic_mean_60d": ("DOUBLE", "the same of the last 60"),
        "os_ic_mean_120d": ("DOUBLE", "the same of the last 120"),
        "os_start_date": ("DATE", "first session that is out of sample; null: it is not active"),
        "os_sessions": ("INTEGER", "sessions since that count"),
        "os_late": ("INTEGER", "sessions left out, because their values came when the price was known"),
        "claimed_ic_mean": ("DOUBLE", "what its owner says"),
        "claimed_ic_ir": ("DOUBLE", "what its owner says"),
        "created_at": (TIME, "when it was opened"),
        "validated_at": (TIME, "when it was admitted or rejected; null: neither"),
    },
)

FACTOR_IC = LensTable(
    "factor_ic",
    "Rank IC of validated factors, session by session",
    {
        "factor": FACTOR,
        "session": ("DATE", "session of the values; the return is from the next close to the one after"),
        "ic": ("DOUBLE", "Spearman correlation of values and returns; null: fewer than 10 symbols, or all alike"),
        "symbols": ("INTEGER", "symbols with both a value and a return"),
        "phase": ("VARCHAR", "is: in sample, os: out of sample"),
    },
)

FACTOR_VALUES = LensTable(
    "factor_values",
    "Current values of the active factors, as they were uploaded",
    {
        "factor": FACTOR,
        "session": SESSION,
        "symbol": SYMBOL,
        "value": ("DOUBLE", "in whatever unit its owner takes"),
    },
)

PRICE = "DECIMAL(38,18)"

EXTERNAL_SIGNALS = LensTable(
    "external_signals",
    "Signals of other people's feeds as they came, a row a revision; the highest revision is what the feed said last",
    {
        "source": ("VARCHAR", "name of the source"),
        "external_id": ("VARCHAR", "id that the source gave it"),
        "revision": ("INTEGER", "1 as first seen, counted up by every change of content"),
        "published_at": (TIME, "when the source says that it was published"),
        "received_at": (TIME, "when this revision reached us"),
        "exchange": ("VARCHAR", "where to trade, in the source's words"),
        "coin": ("VARCHAR", "what to trade"),
        "currency": ("VARCHAR", "quote currency"),
        "direction": ("VARCHAR", "LONG or SHORT"),
        "entry_low": (PRICE, "lower end of the entry zone, in the quote currency"),
        "entry_high": (PRICE, "upper end of the entry zone"),
        "target1": (PRICE, "first price to take profit at; null: none"),
        "target2": (PRICE, "second price to take profit at; null: none"),
        "target3": (PRICE, "third price to take profit at; null: none"),
        "stop_loss": (PRICE, "price at which the signal is wrong"),
        "type": ("VARCHAR", "horizon, such as SHORT TERM; null: not said"),
        "leverage": ("DOUBLE", "suggested leverage; null: not said"),
        "risk_level": ("DOUBLE", "the source's own risk score; null: not said"),
        "outcome": ("VARCHAR", "what became of it; null: not decided"),
        "r_multiple": ("DOUBLE", "result in multiples of the risk from entry to stop; null: not decided"),
    },
)

EXTERNAL_GAPS = LensTable(
    "external_gaps",
    "Times in which a source's signals may have come and gone unseen",
    {
        "source": ("VARCHAR", "name of the source"),
        "started_at": (TIME, "the last good poll before"),
        "ended_at": (TIME, "from when on the next good poll saw everything; null: it lasts"),
    },
)

LENS_TABLES = (
    STRATEGIES,
    SIGNALS,
    ORDERS,
    POSITIONS,
    NAV,
    EVALUATIONS,
    SETTLEMENTS,
    CORRECTIONS,
    FACTORS,
    FACTOR_IC,
    BARS,
    INDEX_LEVELS,
    FACTOR_VALUES,
    EXTERNAL_SIGNALS,
    EXTERNAL_GAPS,
)
