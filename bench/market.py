"""Market data against its requirements: importing 3.2 million bars within 30 s and 2 GiB, and the sample market.

The import is the product's own, checks, files and ledger and all, each run in a process and a home of its own. Its peer
is DuckDB writing the same file partitioned by session, without any check and without a ledger. The file is the real one
where it is beside the checkout, else one of the sample market's of the same size.
"""

import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TypeVar

from bench.report import figure, seconds

Made = TypeVar("Made")

RUNS = 3
REAL = Path(__file__).resolve().parents[1].parent / "shared" / "market" / "bars_csi800_2018_2026.parquet"
SYMBOLS, SESSIONS = 1600, 2018


def weekdays(count: int) -> list[date]:
    """So many weekdays."""
    days = (date(2015, 1, 5) + timedelta(n) for n in range(2 * count))
    return [day for day in days if day.weekday() < 5][:count]


def bars_file(folder: Path) -> Path:
    """The file to import."""
    if REAL.is_file():
        return REAL
    print(f"{REAL} is not there: a generated file takes its place", file=sys.stderr)
    return in_process(write_sample, folder / "bars.parquet")


def write_sample(path: Path) -> Path:
    """Write about as many bars as the real file has, on real sessions."""
    from countersign.domain.market.simulation import simulate  # noqa: PLC0415 - in a process of its own
    from countersign.store.sessions import load_sessions  # noqa: PLC0415

    days = [day for day in load_sessions(path.parent).days if day >= date(2018, 1, 2)][:SESSIONS]
    simulate(SYMBOLS, days, 1).bars.write_parquet(path)
    return path


def import_once(path: Path) -> tuple[float, float]:
    """Seconds and peak MiB of one import into a new home."""
    from countersign.services.market.imports import import_bars  # noqa: PLC0415
    from countersign.store.home import Home  # noqa: PLC0415 - in a process of its own

    with TemporaryDirectory() as folder:
        home = Home(Path(folder), f"sqlite:///{folder}/ledger.db", Path(folder) / "lake")
        home.create()
        start = perf_counter()
        import_bars(home, path, datetime.now(UTC))
        return perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def duckdb_once(path: Path) -> tuple[float, float]:
    """Seconds and peak MiB of DuckDB's partitioned write."""
    import duckdb  # noqa: PLC0415 - in a process of its own

    with TemporaryDirectory() as folder:
        start = perf_counter()
        duckdb.execute(
            f"COPY (SELECT * FROM read_parquet('{path}') ORDER BY session, symbol) TO '{folder}/bars'"  # noqa: S608
            " (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (session))"
        )
        return perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_process(work: Callable[[Path], Made], given: Path) -> Made:
    """Do it in a process of its own, so that its peak memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, given).result()


def main() -> None:
    """The import and its peer in turns, then the sample market."""
    import duckdb  # noqa: PLC0415 - for its version

    with TemporaryDirectory() as folder:
        path = bars_file(Path(folder))
        ours, theirs = [], []
        for _ in range(RUNS):
            ours.append(in_process(import_once, path))
            theirs.append(in_process(duckdb_once, path))
    peer = f"duckdb {duckdb.__version__}, partitioned write without checks"
    for n, (name, unit, must) in enumerate((("import of bars", "s", 30), ("import of bars, peak memory", "MiB", 2048))):
        runs, peer_runs = [run[n] for run in ours], [run[n] for run in theirs]
        figure(f"market {name}", runs, unit, must=must, better="lower", peer=peer, peer_runs=peer_runs)

    from countersign.domain.market.simulation import simulate  # noqa: PLC0415 - not needed before

    days = weekdays(500)
    figure("market sample, 800 x 500", seconds(lambda: simulate(800, days, 1), RUNS), "s", must=10, better="lower")


if __name__ == "__main__":
    main()
