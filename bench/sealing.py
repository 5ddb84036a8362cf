"""Sealing alone: signals that wait in the ledger until they are in a signed commit of the journal and marked so."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import perf_counter

import git
import sqlalchemy as sa
from sqlmodel import col

from bench.report import figure
from countersign.domain.attestation.records import seal_path
from countersign.domain.sessions import deadline
from countersign.domain.signals.payload import payload, signal_hash
from countersign.models.enums import ExecutionPrice, StrategyStatus, Universe
from countersign.models.tables.accounts import User
from countersign.models.tables.attestation import Seal
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.attestation.sealing import Sealer, sealing
from countersign.store.home import Home

PENDING, FILES, RUNS, SMALL, SMALL_RUNS, PEER_SIGNALS = 10_000, 100_000, 3, 10, 10, 200
PORTFOLIO = " ".join(f"{600000 + n:06}.SH=0.05" for n in range(20))
FIRST = date(2025, 1, 2)


def make_home(folder: Path) -> Home:
    """A home with 10,000 strategies."""
    home = Home(folder, f"sqlite:///{folder / 'ledger.db'}", folder / "lake", "simulated")
    home.create()
    created = datetime(2025, 1, 1, tzinfo=UTC)
    with home.ledger.write() as db:
        db.add(User(nickname="bench", created_at=created))
        db.flush()
        terms = {
            "owner_id": 1,
            "universe": Universe.HS300,
            "execution_price": ExecutionPrice.OPEN,
            "created_at": created,
        }
        state = {"status": StrategyStatus.ACTIVE, "activated_at": created}
        costs = {"holding_period": 1, "initial_capital": 1_000_000, "commission_rate": 0.0003, "slippage_rate": 0.002}
        rows = [{"slug": f"strategy-{n:05}", "name": f"{n}", "is_public": True} for n in range(PENDING)]
        db.execute(sa.insert(Strategy), [row | terms | state | costs for row in rows])
    return home


def submit(home: Home, session: date, count: int, revision: int = 1) -> datetime:
    """Let the first strategies signal for a session, and set the clock to that minute."""
    closes_at = deadline(session, ExecutionPrice.OPEN)
    now = closes_at - timedelta(minutes=10)
    home.clock.set(now)
    rows = []
    for n in range(count):
        salt = secrets.token_hex(16)
        hashed = signal_hash(payload(f"strategy-{n:05}", session, revision, salt, PORTFOLIO))
        row = {
            "strategy_id": n + 1,
            "session": session,
            "revision": revision,
            "portfolio": PORTFOLIO,
            "symbols_count": 20,
        }
        rows.append(row | {"salt": salt, "signal_hash": hashed, "received_at": now, "deadline": closes_at})
    with home.ledger.write() as db:
        db.execute(sa.insert(Signal), rows)
    return now


def timed(sealer: Sealer, now: datetime) -> float:
    """Seconds of one round."""
    start = perf_counter()
    sealer.seal(now)
    return perf_counter() - start


def small_round(home: Home, sealer: Sealer, session: date, n: int) -> float:
    """Milliseconds of a round with ten signals, the n-th revisions."""
    return timed(sealer, submit(home, session, SMALL, n + 1)) * 1000


@contextmanager
def journal_at(folder: Path, files: int) -> Iterator[tuple[Home, Sealer]]:
    """A home with so many files in its journal, and its sealer."""
    home = make_home(folder)
    with sealing(home) as sealer:
        for n in range(files // PENDING):
            sealer.seal(submit(home, FIRST + timedelta(days=n), PENDING))
        yield home, sealer


def measure(folder: Path, files: int) -> tuple[list[float], list[float]]:
    """Signals a second with 10,000 pending, and milliseconds of a round with ten."""
    many, few = [], []
    later = FIRST + timedelta(days=1000)
    runs = RUNS if files else 1  # each run adds files: an empty journal is empty once
    with journal_at(folder, files) as (home, sealer):
        few += [small_round(home, sealer, later, n) for n in range(SMALL_RUNS if files else 0)]
        days = [later + timedelta(days=n + 1) for n in range(runs)]
        many += [PENDING / timed(sealer, submit(home, day, PENDING)) for day in days]
    with home.ledger.read() as db:
        assert db.execute(sa.select(sa.func.count()).where(col(Seal.commit_sha).is_(None))).scalar_one() == 0
    return many, few


def empty_runs(root: Path) -> tuple[list[float], list[float]]:
    """The same for a journal that has nothing yet, a new one each run."""
    many, few = [], []
    for n in range(RUNS):
        many += measure(root / f"empty-{n}", 0)[0]
    with journal_at(root / "small", 0) as (home, sealer):
        few += [small_round(home, sealer, FIRST, n) for n in range(SMALL_RUNS + 1)]
    return many, few[1:]  # the first round makes the terms as well


def peer(folder: Path) -> list[float]:
    """Signals a second with GitPython's index and one commit for each signal, unsigned."""
    repo = git.Repo.init(folder)
    rates = []
    for run in range(RUNS):
        start = perf_counter()
        for n in range(PEER_SIGNALS):
            path = folder / seal_path(f"strategy-{n:05}", FIRST + timedelta(days=run), 1)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x" * 450)
            repo.index.add([str(path)])
            repo.index.commit(f"seal {n}")
        rates.append(PEER_SIGNALS / (perf_counter() - start))
    repo.close()
    return rates


def main() -> None:
    """Print the figures; the peer does less: it signs nothing, and knows no ledger."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("COUNTERSIGN_BENCH_FOLDER")) as name:
        root = Path(name)
        rates = peer(root / "peer")
        label = f"GitPython {git.__version__}, one unsigned commit a signal"
        (many, few), (many_later, few_later) = empty_runs(root), measure(root / "full", FILES)
    for files, runs in ((0, many), (FILES, many_later)):
        title = f"sealing, {PENDING:,} pending, {files:,} files in the journal"
        figure(title, runs, "signals/s", must=3_000, better="higher", peer=label, peer_runs=rates)
    figure(f"sealing {SMALL} signals, empty journal", few, "ms", must=None, better="lower")
    figure(f"sealing {SMALL} signals, {FILES:,} files in the journal", few_later, "ms", must=None, better="lower")


if __name__ == "__main__":
    main()
