"""The lens's tables of alpha factors."""

from countersign.models.lens.table import SESSION, SYMBOL, TIME, LensTable

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
