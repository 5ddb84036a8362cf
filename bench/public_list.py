"""The public list of 10,000 strategies on one process: first pages, filtered and ordered, of a real ledger and lens.

Each request asks for something else, so that no page is answered from memory; and the very first one after a
publication, which reads the standings anew. Publishing is measured with them and without.
"""

import asyncio
import os
import tempfile
from itertools import product
from pathlib import Path
from time import sleep

import numpy as np
import sqlalchemy as sa
from sqlmodel import col

from bench.load import Answer, paced, request
from bench.report import figure
from bench.rush import running
from countersign.deployments.orchestration.server import free_port
from countersign.deployments.web import api_part
from countersign.domain.evaluation.claimed_performance import write_records
from countersign.models.enums import StrategyStatus
from countersign.models.tables.accounts import User
from countersign.models.tables.claimed import ClaimedPerformance
from countersign.models.tables.strategies import Strategy
from countersign.services.publication.publish import publish, rebuild
from countersign.store.home import Home
from tests.support.settled import commit, make_home, results, settled_at, slugs, stage, weekdays

STRATEGIES, SESSIONS, OWNERS, CLAIMS, PER_SECOND, RUNS = 10_000, 120, 500, 300, 10, 3
PUBLIC = "/api/v1/public/strategies"
ORDERS = ("score", "sharpe", "total_return", "max_drawdown", "trading_days")
FILTERS = ("universe=hs300", "status=active&min_trading_days=60", "has_claimed=false", "search=strategy%201")


def main() -> None:
    """Print one JSON line a figure."""
    os.environ["COUNTERSIGN_RATE_LIMIT"] = "0"
    with tempfile.TemporaryDirectory(dir=os.environ.get("COUNTERSIGN_BENCH_FOLDER")) as folder:
        home = make_home(Path(folder) / "home", STRATEGIES)
        fill(home)
        publish(home)
        port = free_port()
        with running(api_part(home.path, port=port, workers=1)):
            pages = [f"{PUBLIC}?{which}&order={order}" for which, order in product(FILTERS, ORDERS)]
            newest = [f"{PUBLIC}?offset={50 * n}" for n in range(40)]
            ask(port, [*pages[:1], *newest[:1]])
            for name, paths in (("filtered and ordered", pages), ("newest first", newest)):
                answers = [ask(port, [f"{path}&limit={50 - n}" for path in paths]) for n in range(RUNS)]
                figure(
                    f"public list, first page, {name}",
                    [_quantile(run, 0.5) for run in answers],
                    "ms",
                    must=25.0,
                    better="lower",
                )
                figure(
                    f"public list, first page, {name}, p99",
                    [_quantile(run, 0.99) for run in answers],
                    "ms",
                    must=None,
                    better="lower",
                )
            first = []
            for _ in range(RUNS):
                rebuild(home)
                sleep(0.3)
                first.append(_quantile(ask(port, pages[:1]), 0.5))
            figure("public list, first page after a publication", first, "ms", must=None, better="lower")


def fill(home: Home) -> None:
    """Settled sessions, creators, and claims of some."""
    names = slugs(STRATEGIES)
    days = weekdays(SESSIONS)
    for day in days:
        frames = results(day, names, ("600000.SH",), 0)
        commit(home, day, stage(home, day, {name: frames[name] for name in ("nav", "evaluations")}), STRATEGIES)
    records = write_records((day, 1.0 + n / 100) for n, day in enumerate(days))
    with home.ledger.write() as db:
        db.add_all(User(nickname=f"owner-{n}", created_at=settled_at(days[0])) for n in range(OWNERS))
        db.flush()
        db.execute(sa.update(Strategy).values(owner_id=3 + col(Strategy.id) % OWNERS, status=StrategyStatus.ACTIVE))
        db.add_all(
            ClaimedPerformance(
                strategy_id=1 + n, revision=1, data_points=SESSIONS, uploaded_at=settled_at(days[0]), records=records
            )
            for n in range(CLAIMS)
        )


def ask(port: int, paths: list[str]) -> list[Answer]:
    """Ask for pages one after the other, with time to breathe between them."""
    answers = asyncio.run(paced(port, [request("GET", path) for path in paths], PER_SECOND, 4))
    assert {answer.code for answer in answers} == {200}
    return answers


def _quantile(answers: list[Answer], share: float) -> float:
    return float(np.quantile([answer.seconds for answer in answers], share) * 1000)


if __name__ == "__main__":
    main()
