"""Uses each compiled function on next to nothing, as the stages use it: that compiles what is not compiled yet.

On a fresh installation that takes fourteen seconds of a processor, which the first settlement and the first factor
would wait for. Numba keeps the result on disk, keyed by its own version, the processor and our sources: what one
process compiled the next one reads, and what changed since is compiled again.
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl

from countersign.domain.evaluation import metrics
from countersign.domain.external.outcomes import KLINES_SCHEMA, judge
from countersign.domain.external.outcomes import SIGNALS_SCHEMA as EXTERNAL_SCHEMA
from countersign.domain.factors.kernel import LEAST_PAIRS
from countersign.domain.factors.validation import evaluate_factor
from countersign.domain.market.quotes import ACTIONS_SCHEMA
from countersign.domain.settlement.books import BENCHMARKS_SCHEMA, SIGNALS_SCHEMA, TERMS_SCHEMA
from countersign.domain.settlement.engine import settle
from countersign.models.datasets import BARS, MARKS, NAV, POSITIONS

DAYS = [date(2024, 1, 1) + timedelta(n) for n in range(3)]
HOUR = datetime(2024, 1, 1, tzinfo=UTC)


def compile_kernels() -> None:
    """Settle, evaluate, judge signals and measure a factor. A second or less where all of it is on disk."""
    _settle()
    _evaluate()
    _judge()
    _measure()


def _settle() -> None:
    settle(
        DAYS[0],
        terms=pl.DataFrame(schema=TERMS_SCHEMA),
        books=pl.DataFrame(schema=NAV.schema),
        holdings=pl.DataFrame(schema=POSITIONS.schema),
        signals=pl.DataFrame(schema=SIGNALS_SCHEMA),
        bars=pl.DataFrame(schema=BARS.schema),
        marks=pl.DataFrame(schema=MARKS.schema),
        actions=pl.DataFrame(schema=ACTIONS_SCHEMA),
        benchmarks=pl.DataFrame(schema=BENCHMARKS_SCHEMA),
    )


def _evaluate() -> None:
    nav = pl.DataFrame({"strategy": "any", "session": DAYS, "nav": 1, "benchmark_return": 0.0})
    metrics.evaluate(
        nav.cast(pl.Schema(metrics.NAV_SCHEMA)),
        DAYS[0],
        strategies=pl.DataFrame([("any", "any", 1, DAYS[0])], schema=metrics.STRATEGIES_SCHEMA, orient="row"),
        verdicts=pl.DataFrame(schema=metrics.VERDICTS_SCHEMA),
        trading=pl.DataFrame(schema=metrics.TRADING_SCHEMA),
        carried=pl.DataFrame(schema=metrics.CARRIED_SCHEMA),
    )


def _judge() -> None:
    signals = pl.DataFrame([(HOUR, "LONG", 2.0, 2.0, 1.0, 3.0, 4.0, 5.0)], schema=EXTERNAL_SCHEMA, orient="row")
    klines = pl.DataFrame([(HOUR, 2.0, 2.0, 2.0, 2.0)], schema=KLINES_SCHEMA, orient="row")
    judge(signals, klines, timedelta(hours=1))


def _measure() -> None:
    rows = [(day, f"{n:06}.SZ", float(n + place)) for place, day in enumerate(DAYS) for n in range(1, LEAST_PAIRS + 1)]
    values = pl.DataFrame(rows, schema={"session": pl.Date, "symbol": pl.String, "value": pl.Float64}, orient="row")
    evaluate_factor(values, values.rename({"value": "close"}), None, {"itself": values}, DAYS)
