"""One JSON line a figure on stdout; everything else a benchmark has to say goes to stderr."""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from statistics import median
from time import perf_counter
from typing import Any, Literal


def figure(
    name: str,
    runs: list[float],
    unit: str,
    *,
    must: float | None,
    better: Literal["lower", "higher"],
    peer: str | None = None,
    peer_runs: list[float] | None = None,
) -> None:
    """Print a figure: medians, with every run beside it so that the machine's noise shows.

    `must` is the requirement, None where there is none. `ratio` says how many times better than the peer we are.
    """
    value = median(runs)
    peer_value = median(peer_runs) if peer_runs else None
    ratio = None
    # Nothing at all, such as no fault, is beyond any ratio.
    if peer_value is not None and value and peer_value:
        ratio = value / peer_value if better == "higher" else peer_value / value
    line = {
        "name": name,
        "value": value,
        "unit": unit,
        "must": must,
        "better": better,
        "peer": peer if peer_runs else None,
        "peer_value": peer_value,
        "ratio": ratio,
        "runs": runs,
    }
    print(json.dumps({key: _short(item) for key, item in line.items()}), flush=True)


def _short(item: Any) -> Any:
    """Four significant figures are more than any run repeats."""
    if isinstance(item, list):
        return [_short(part) for part in item]
    return float(f"{item:.4g}") if isinstance(item, float) else item


def seconds(work: Callable[[], object], runs: int) -> list[float]:
    """Wall-clock seconds of each run, after one that does not count."""
    work()
    taken = []
    for _ in range(runs):
        start = perf_counter()
        work()
        taken.append(perf_counter() - start)
    return taken


def peer_module(name: str, package: str = "") -> tuple[Any, str] | None:
    """A peer's module, and its package's name with the version; None, said on stderr, where it is not installed."""
    package = package or name
    try:
        return import_module(name), f"{package} {version(package)}"
    except ImportError as reason:
        print(f"peer {name} is missing: {reason}", file=sys.stderr)
        return None
