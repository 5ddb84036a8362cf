"""Outcomes against their requirement: 10,000 signals, each watched over 50,000 bars, and the same by a plain loop.

Bars walk inside a corridor; zones lie where price trades at once, stops and targets outside the corridor, so that every
signal is watched to the last bar. The peer reads the same rules in Python, of a few signals, scaled to all.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from bench.report import figure, seconds
from domain.outcomes import KLINES_SCHEMA, SIGNALS_SCHEMA, judge

SIGNALS, BARS, PEER_SIGNALS = 10_000, 50_000, 5
STEP = timedelta(minutes=1)
START = datetime(2026, 1, 1, tzinfo=UTC)


def make_klines(count: int) -> pl.DataFrame:
    """Bars between 95 and 105."""
    rng = np.random.default_rng(3)
    close = 100 + 4 * np.sin(np.cumsum(rng.normal(0, 0.01, count)))
    opened = pl.datetime_range(START, START + (count - 1) * STEP, STEP, time_unit="us", time_zone="UTC", eager=True)
    frame = {"opened_at": opened, "open": close, "high": close + 0.5, "low": close - 0.5, "close": close}
    return pl.DataFrame(frame, schema=KLINES_SCHEMA)


def make_signals(count: int) -> pl.DataFrame:
    """Long ones with a zone that is met at once, a stop at 80 and a target at 120."""
    frame: dict[str, object] = dict.fromkeys(SIGNALS_SCHEMA) | {
        "known_at": START,
        "direction": "LONG",
        "entry_low": 94.0,
        "entry_high": 106.0,
        "stop_loss": 80.0,
        "target1": 120.0,
    }
    return pl.DataFrame({name: [value] * count for name, value in frame.items()}, schema=SIGNALS_SCHEMA)


def plainly(signals: pl.DataFrame, klines: pl.DataFrame) -> int:
    """Entry, stop and target of every signal by a loop over rows; return how many were never closed."""
    bars, still_open = klines.rows(), 0
    for signal in signals.iter_rows(named=True):
        entered = False
        for opened_at, _, high, low, _ in bars:
            if opened_at < signal["known_at"]:
                continue
            entered = entered or (high >= signal["entry_low"] and low <= signal["entry_high"])
            if entered and (low <= signal["stop_loss"] or high >= signal["target1"]):
                break
        else:
            still_open += 1
    return still_open


def main() -> None:
    """Print the figures."""
    signals, klines = make_signals(SIGNALS), make_klines(BARS)
    assert judge(signals, klines, STEP)["outcome"].unique().to_list() == ["open"]
    few = signals.head(PEER_SIGNALS)
    assert plainly(few, klines) == PEER_SIGNALS
    figure(
        f"outcomes of {SIGNALS} signals over {BARS} bars each",
        seconds(lambda: judge(signals, klines, STEP), 3),
        "s",
        must=10.0,
        better="lower",
        peer="a plain loop",
        peer_runs=[taken * SIGNALS / PEER_SIGNALS for taken in seconds(lambda: plainly(few, klines), 2)],
    )


if __name__ == "__main__":
    main()
