"""Outcomes against their requirement: 10,000 signals, each watched over 50,000 bars, and the same by a plain loop.

Once by arrays alone, and once as the flow does it: signals and bars read from ledger and lake, outcomes written.

Bars walk inside a corridor; zones lie where price trades at once, stops and targets outside the corridor, so that every
signal is watched to the last bar. The peer reads the same rules in Python, of a few signals, scaled to all.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import sqlalchemy as sa

from bench.report import figure, seconds
from countersign.domain.external.items import normalise
from countersign.domain.external.outcomes import KLINES_SCHEMA, SIGNALS_SCHEMA, judge
from countersign.models.klines import series_of
from countersign.models.tables.external import ExternalOutcome
from countersign.services.external.answers import Poll, store_answer
from countersign.services.external.judge import judge_signals
from countersign.services.external.klines import put_klines
from countersign.store.home import Home
from tests.support.feeds import ITEM, enter
from tests.support.homes import make_home

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


def fill_home(path: Path, klines: pl.DataFrame) -> Home:
    """A home with such signals from its feed, and these klines in its lake."""
    home = make_home(path, f"sqlite:///{path / 'ledger.db'}")
    source = enter(home, "feed", "https://feed.example")
    item = ITEM | {"timestamp": f"{START:%Y-%m-%d %H:%M:%S}", "target2": ""}
    item |= {"buy_start": "94", "buy_end": "106", "stop_loss": "80", "target1": "120"}
    with home.ledger.write() as db:
        store_answer(db, Poll(source, START, START, 60), normalise([item | {"id": n} for n in range(SIGNALS)]))
    put_klines(home.lake, series_of("binance", "BTC/USDT", "1m"), klines.with_columns(volume=1.0), "bench", START)
    return home


def judge_anew(home: Home) -> None:
    """Take all outcomes back and judge again."""
    with home.ledger.write() as db:
        db.execute(sa.delete(ExternalOutcome))
    (judged,) = judge_signals(home, START)
    assert judged.changed == SIGNALS


def main() -> None:
    """Print the figures."""
    signals, klines = make_signals(SIGNALS), make_klines(BARS)
    assert judge(signals, klines, STEP)["outcome"].unique().to_list() == ["open"]
    few = signals.head(PEER_SIGNALS)
    assert plainly(few, klines) == PEER_SIGNALS
    plain = [taken * SIGNALS / PEER_SIGNALS for taken in seconds(lambda: plainly(few, klines), 2)]
    peer = f"a plain loop over {PEER_SIGNALS} signals, scaled to {SIGNALS}"
    what = f"outcomes of {SIGNALS} signals over {BARS} bars each"
    taken = seconds(lambda: judge(signals, klines, STEP), 3)
    figure(what, taken, "s", must=10.0, better="lower", peer=peer, peer_runs=plain)
    with TemporaryDirectory() as folder:
        home = fill_home(Path(folder) / "home", klines)
        taken = seconds(lambda: judge_anew(home), 3)
    figure(f"{what}, with lake and ledger", taken, "s", must=10.0, better="lower", peer=peer, peer_runs=plain)


if __name__ == "__main__":
    main()
