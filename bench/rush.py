"""The 09:14 rush: 10,000 signals of 50 names over HTTP from 50 clients, until all are sealed and signed.

The load comes from this machine too. BENCH_WORKERS: processes of the api (1), BENCH_RUNS: how often (3).
"""

import asyncio
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, time
from pathlib import Path
from time import perf_counter, sleep

import numpy as np
import orjson
import sqlalchemy as sa
from sqlmodel import col, func, select

from bench.load import Answer, request, rush
from bench.report import figure
from bench.sealing import make_home
from countersign.deployments.orchestration.server import free_port
from countersign.deployments.sealer import sealer_part
from countersign.deployments.supervision.parts import Part, wait_until_ready
from countersign.deployments.web import api_part
from countersign.domain.sessions import at
from countersign.models.tables.accounts import User
from countersign.models.tables.attestation import Seal
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.accounts.accounts import create_key
from countersign.store.home import Home

CLIENTS, SIGNALS, NAMES = 50, 10_000, 50
SESSION = date(2025, 1, 2)
WORKERS, RUNS = int(os.environ.get("BENCH_WORKERS", "1")), int(os.environ.get("BENCH_RUNS", "3"))


def main() -> None:
    """Run it, each time on a home of its own."""
    totals, p99s, medians, sealed = zip(*(_run() for _ in range(RUNS)), strict=True)
    figure("rush of 10,000 signals over HTTP, all sealed and signed", list(totals), "s", must=60.0, better="lower")
    figure("rush, p99 of a submission, seal waited for", list(p99s), "s", must=2.0, better="lower")
    figure("rush, median of a submission, seal waited for", list(medians), "s", must=None, better="lower")
    figure("rush, answers that carry their seal", list(sealed), "", must=None, better="higher")


@contextmanager
def running(part: Part) -> Iterator[None]:
    """Run a part for the while."""
    child = part.start()
    try:
        wait_until_ready(part, child)
        yield
    finally:
        child.stop(part.patience_seconds)


def _run() -> tuple[float, float, float, float]:
    os.environ["COUNTERSIGN_RATE_LIMIT"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder) / "home")
        home.clock.set(at(SESSION, time(9, 14)))
        clients, port = _clients(home), free_port()
        with running(sealer_part(home.path)), running(api_part(home.path, port=port, workers=WORKERS)):
            started = perf_counter()
            answers = asyncio.run(rush(port, clients))
            while _count(home, sealed=True) < SIGNALS and perf_counter() - started < 300:
                sleep(0.05)
            total = perf_counter() - started
        _check(home, answers)
    waits = [answer.seconds for answer in answers]
    sealed = sum(orjson.loads(answer.body)["attestation"]["committed"] for answer in answers)
    return total, float(np.quantile(waits, 0.99)), float(np.quantile(waits, 0.5)), float(sealed)


def _clients(home: Home) -> list[list[bytes]]:
    """Give each client a key and its share of the strategies, and write its requests down."""
    rng, share = random.Random(7), SIGNALS // CLIENTS
    symbols = [f"{600000 + n:06}.SH" for n in range(2_000)]
    clients = []
    with home.ledger.write() as db:
        for n in range(CLIENTS):
            user = User(nickname=f"client-{n}", created_at=home.clock.now())
            db.add(user)
            db.flush()
            _, key = create_key(db, user.id, "bench", home.clock.now())
            own = col(Strategy.id).between(n * share + 1, (n + 1) * share)
            db.execute(sa.update(Strategy).where(own).values(owner_id=user.id))
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            slugs = db.exec(select(Strategy.slug).where(own)).all()
            paths = [f"/api/v1/strategies/{slug}/signals" for slug in slugs]
            clients.append([request("POST", path, headers, _body(rng.sample(symbols, NAMES))) for path in paths])
    return clients


def _body(symbols: list[str]) -> bytes:
    signals = [{"symbol": symbol, "weight": 0.02} for symbol in symbols]
    return orjson.dumps({"trade_date": SESSION, "signals": signals})


def _count(home: Home, *, sealed: bool) -> int:
    query = (
        select(func.count()).where(col(Seal.commit_sha).is_not(None)) if sealed else select(func.count(col(Signal.id)))
    )
    with home.ledger.read() as db:
        return db.exec(query).one()


def _check(home: Home, answers: list[Answer]) -> None:
    """All accepted, none lost, none twice."""
    assert {answer.code for answer in answers} == {201}
    with home.ledger.read() as db:
        hashes = set(db.exec(select(Signal.signal_hash)).all())
    assert {orjson.loads(answer.body)["signal_hash"] for answer in answers} == hashes
    assert len(hashes) == _count(home, sealed=False) == _count(home, sealed=True) == SIGNALS


if __name__ == "__main__":
    main()
