"""The sample home: a made-up market, six strategies and their last 60 sessions, for a first look at everything."""

from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from countersign.deployments.feed import HOST
from countersign.deployments.orchestration.server import prefect_api
from countersign.domain.external.feed_simulation import FREE, MOST_MINUTES, SAMPLE_SOURCE, SimulatedFeed
from countersign.domain.external.items import normalise
from countersign.domain.sessions import at
from countersign.domain.signals.samples import LOOKBACK_SESSIONS, sample_signals, sample_strategies
from countersign.models.datasets import BARS
from countersign.models.enums import StrategyStatus
from countersign.models.errors import ConflictError
from countersign.models.feeds import FeedTerms
from countersign.models.tables.operations import OPERATOR
from countersign.models.timetable import TIMETABLE
from countersign.services.external.answers import Poll, store_answer
from countersign.services.external.sources import add_source, is_entered
from countersign.services.settlement.settled import settled_through
from countersign.services.strategies.lifecycle import change_status, require_strategy
from countersign.store.clock import wall_clock
from countersign.store.home import Home

SYMBOLS, SESSIONS, SEED = 800, 500, 7
REPLAYED = 60
PAUSED = "sample-paused"
# Often, so that a first look sees signals arrive.
FEED_SECONDS = 30
# For so long the feed has been polled when a first look is taken: some of its signals are decided.
FEED_SINCE = timedelta(days=1)


def prepare_sample(home: Home) -> dict[str, Any]:
    """Make the sample home, or go on where an interrupted preparation stopped; a finished one is left as it is.

    ConflictError, before anything is written, where the home lives by the system's clock, or would: made-up results
    must never lie beside real ones.
    """
    kind = home.clock.kind if home.clock_kind is None and home.is_begun else home.clock_kind
    if kind != "simulated":
        raise ConflictError(
            f"{home.path}: a sample needs a home of its own, with the simulated clock; set COUNTERSIGN_CLOCK=simulated"
        )
    home.create()
    with home.ledger.read() as db:
        settled = settled_through(db)
    sessions = home.lake.sessions(BARS)
    if not sessions:
        _simulate(home)
        sessions = home.lake.sessions(BARS)
    enter_feed(home, wall_clock())
    replayed = sessions[-REPLAYED:]
    if settled is None or settled < replayed[-1]:
        _replay(home, replayed)
    return {"home": str(home.path), "sessions": len(replayed), "from": str(replayed[0]), "to": str(replayed[-1])}


def enter_feed(home: Home, now: datetime) -> None:
    """Enter the feed that `up` simulates, with a day behind it, unless it was entered, or removed, before."""
    from countersign.services.external.judge import judge_signals  # noqa: PLC0415
    from countersign.services.external.kline_imports import extend_sample_klines  # noqa: PLC0415 - brings Prefect in, whose environment is not set yet

    with home.ledger.write() as db:
        if is_entered(db, SAMPLE_SOURCE):
            return
        wanted = FeedTerms(name=SAMPLE_SOURCE, adapter="cqs", url=f"http://{HOST}", every_seconds=FEED_SECONDS)
        source = add_source(db, wanted, now - FEED_SINCE, actor=OPERATOR)
        window, feed = timedelta(minutes=MOST_MINUTES), SimulatedFeed()
        for back in range(FEED_SINCE // window - 1, -1, -1):
            asked = now - back * window
            answer = feed.answer({"api_key": FREE, "interval": str(MOST_MINUTES)}, asked)
            store_answer(db, Poll(source.id, asked, asked, FEED_SECONDS), normalise(answer["signals"]))
    extend_sample_klines(home, now)
    judge_signals(home, now)


def _simulate(home: Home) -> None:
    from countersign.services.market.imports import simulate_market  # noqa: PLC0415 - brings Prefect in, whose environment is not set yet

    now = wall_clock()
    simulate_market(home, now, symbols=SYMBOLS, sessions=SESSIONS, seed=SEED, end=home.sessions.newest_closed(now))


def _replay(home: Home, sessions: list[date]) -> None:
    """Replay in two halves; between them one strategy is paused."""
    half = sessions[len(sessions) // 2]
    with prefect_api(home.path, "countersign.flows.replay"), TemporaryDirectory(dir=home.path) as folder:
        from countersign.flows.replay import replay  # noqa: PLC0415 - Prefect's environment is set only now

        strategies, signals = Path(folder) / "strategies.parquet", Path(folder) / "signals.parquet"
        pl.DataFrame([terms.model_dump(mode="json") for terms in sample_strategies()]).write_parquet(strategies)
        _signals(home, sessions).write_parquet(signals)
        replay(sessions[0], half, strategies=strategies, signals=signals, home=home.path)
        with home.ledger.write() as db:
            strategy = require_strategy(db, PAUSED)
            if strategy.status == StrategyStatus.ACTIVE:
                change_status(db, strategy, StrategyStatus.PAUSED, home.clock.now(), actor=OPERATOR)
        replay(home.sessions.next(half), sessions[-1], signals=signals, home=home.path)
    home.clock.set(at(sessions[-1], TIMETABLE[-1].late_after))


def _signals(home: Home, sessions: list[date]) -> pl.DataFrame:
    days = home.sessions.days
    since = days[days.index(sessions[0]) - LOOKBACK_SESSIONS - 1]
    bars = home.lake.scan(BARS, since, sessions[-1]).filter(~pl.col("suspended").fill_null(value=False)).collect()
    return sample_signals(bars, sessions)
