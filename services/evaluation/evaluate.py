"""Evaluation: the sessions that wait, evaluating a batch of them in one pass, and the ranking.

Repeating it writes the same names with the same bytes; only sessions settled otherwise since get new ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from countersign.domain.evaluation.metrics import TRADING_SCHEMA, evaluate
from countersign.models.datasets import EVALUATIONS
from countersign.models.errors import ConflictError
from countersign.services.evaluation.claimed_performance import read_verdicts
from countersign.services.evaluation.evaluations import name_run, read_carried, read_nav, read_strategies, read_trading
from countersign.services.evaluation.histories import settled_histories, unevaluated
from countersign.services.settlement.settled import settlement_of
from countersign.store.home import Home

# Sessions that share one reading of the history, and one pass over it; more of them only take more memory.
SESSIONS_PER_BATCH = 60
RANKED = 10


@dataclass(frozen=True)
class Evaluated:
    """Counts of an evaluated session: strategies, and those with a score."""

    session: date
    strategies: int
    scored: int


def find_unevaluated(home: Home, through: date) -> list[date]:
    """List the settled sessions up to `through` to evaluate, oldest first: the first that waits and all later ones."""
    with home.ledger.read() as db:
        waiting = unevaluated(db, through)
        return [day for day in settled_histories(db, through) if waiting and day >= waiting[0]]


def evaluate_sessions(home: Home, sessions: Sequence[date]) -> list[Evaluated]:
    """Evaluate settled sessions, neighbours in order, in one pass; each is committed by itself.

    The settled session before them is evaluated already. ConflictError if one of them is not settled.
    """
    nav = read_nav(home.lake, sessions[-1])
    with home.ledger.read() as db:
        histories = settled_histories(db, sessions[-1])
        strategies = read_strategies(db)
        settlements = [found for found in (settlement_of(db, session) for session in sessions) if found]
        verdicts = read_verdicts(db, nav, sessions)
    if len(settlements) < len(sessions):
        raise ConflictError(f"{sessions[0]} to {sessions[-1]}: not all of these sessions are settled")
    before = max((day for day in histories if day < sessions[0]), default=None)
    trading = [read_trading(home.lake, settlement, strategies) for settlement in settlements]
    figures = evaluate(
        nav,
        sessions[0],
        strategies=strategies,
        verdicts=verdicts,
        trading=pl.concat(trading) if trading else pl.DataFrame(schema=TRADING_SCHEMA),
        carried=read_carried(home.lake, before),
    )
    done = []
    for session in sessions:
        rows = figures.filter(pl.col("session") == session)
        run = name_run(histories[session], strategies, verdicts, session)
        file = home.lake.stage(EVALUATIONS, session, rows, run)
        with home.ledger.write() as db:
            home.lake.commit(db, [file], home.clock.now())
        done.append(Evaluated(session, rows.height, rows["score"].count()))
    return done


def rank(home: Home, session: date) -> list[dict[str, Any]]:
    """List the best and the worst by score as of an evaluated session, and the changes since the one before."""
    with home.ledger.read() as db:
        earlier = [day for day in settled_histories(db, session) if day < session]
    then = home.lake.scan(EVALUATIONS, earlier[-1], earlier[-1]) if earlier else pl.LazyFrame(schema=EVALUATIONS.schema)
    now = home.lake.scan(EVALUATIONS, session, session).filter(pl.col("score").is_not_null())
    joined = now.join(then.select("strategy", before="score"), on="strategy", how="left").sort(
        "score", "strategy", descending=[True, False]
    )
    ranked = joined.with_row_index("rank", offset=1).select(
        "rank",
        "strategy",
        pl.col("score").round(1),
        (pl.col("score") - pl.col("before")).round(1).alias("change"),
        *(pl.col(name).round(4) for name in ("total_return", "max_drawdown", "sharpe", "psr", "deflated_sharpe")),
        "sessions",
    )
    frame = ranked.collect()
    return (frame if frame.height <= 2 * RANKED else pl.concat([frame.head(RANKED), frame.tail(RANKED)])).to_dicts()


def count_scores(home: Home, session: date) -> list[int]:
    """Count the strategies by score as of an evaluated session, in steps of ten points; 100 is among the last."""
    tens = (pl.col("score") / 10).floor().clip(upper_bound=9).cast(pl.Int32)
    counts = dict(
        home.lake.scan(EVALUATIONS, session, session)
        .filter(pl.col("score").is_not_null())
        .group_by(tens.alias("tens"))
        .len()
        .collect()
        .iter_rows()
    )
    return [counts.get(step, 0) for step in range(10)]
