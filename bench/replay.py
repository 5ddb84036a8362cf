"""Replay of 1,000 strategies over 250 sessions, everything included, as a command in a process of its own."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from bench.market_home import environment, market_home, write_strategies
from bench.report import figure
from countersign.models.datasets import BARS, NAV
from countersign.store.home import Home

STRATEGIES, SESSIONS = 1_000, 250


def main() -> None:
    """Print the time and memory of a replay, its growth, and the cost of orchestration a session."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("COUNTERSIGN_BENCH_FOLDER")) as name:
        folder = Path(name)
        home, market = market_home(folder / "home")
        sessions = home.lake.sessions(BARS)[-SESSIONS - 1 : -1]
        strategies, signals = write_strategies(home, STRATEGIES, sessions, folder)
        days = ["--from", str(sessions[0]), "--to", str(sessions[-1])]
        seconds, peak = run(home, ["replay", *days, "--strategies", str(strategies), "--signals", str(signals)])
        title = f"replay, {STRATEGIES} strategies x {len(sessions)} sessions of the {market}"
        figure(f"{title}, everything included", [seconds], "s", must=120, better="lower")
        figure(f"{title}, peak memory", [peak], "GiB", must=3, better="lower")
        figure(f"{title}, second half against first", [growth(home)], "ratio", must=None, better="lower")
    with tempfile.TemporaryDirectory(dir=os.environ.get("COUNTERSIGN_BENCH_FOLDER")) as name:
        home, _ = market_home(Path(name) / "home")
        # One strategy that signals once: every later session is all orchestration.
        few, signals = write_strategies(home, 1, sessions[:1], Path(name))
        files = ["--strategies", str(few), "--signals", str(signals)]
        run(home, ["replay", "--from", str(sessions[0]), "--to", str(sessions[1]), *files])
        idle = [run(home, ["replay", "--from", str(sessions[2]), "--to", str(sessions[2])])[0]]
        busy = [run(home, ["replay", "--from", str(sessions[3]), "--to", str(sessions[-1])])[0]]
        each = (busy[0] - idle[0]) / (len(sessions) - 4)
        figure("orchestration of a session in replay", [each], "s", must=0.2, better="lower")


def run(home: Home, arguments: list[str]) -> tuple[float, float]:
    """Run a command on the home; return its seconds and its peak memory in GiB (the process itself)."""
    start = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "countersign.cli", *arguments],
        env=environment(home) | {"PREFECT_LOGGING_LEVEL": "ERROR"},
        stdout=sys.stderr,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"countersign {arguments[0]} failed")
    return perf_counter() - start, usage.ru_maxrss / 1024**2


def growth(home: Home) -> float:
    """Time of the second half of the sessions against that of the first: 1 where cost is linear."""
    written = [(home.lake_path / file.path).stat().st_mtime for file in home.lake.files(NAV)]
    half = len(written) // 2
    return (written[-1] - written[half]) / (written[half] - written[0])


if __name__ == "__main__":
    main()
