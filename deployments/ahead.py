"""Compiles what measures factors ahead of its first use, in a process of its own that gives way to everything else.

On a fresh installation that takes five seconds of a processor and more, which whoever submits the first factor would
wait for; later all of it is on disk. Numba holds the interpreter while it compiles, hence no thread of the api's.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from deployments.child import Child

LOWEST_PRIORITY = 19


@contextmanager
def compiling(home: Path) -> Iterator[Child]:
    """Have it compiled in the background of the block; what is not done by its end is given up."""
    child = Child(("deployments.ahead",), {}, home / "logs" / "compiling.log")
    try:
        yield child
    finally:
        child.kill_group()


def main() -> None:
    """Measure a tiny factor: that compiles everything."""
    os.nice(LOWEST_PRIORITY)
    from domain.factor_kernel import LEAST_PAIRS  # noqa: PLC0415 - with the lowest priority from the first import on
    from domain.factors import evaluate_factor  # noqa: PLC0415

    days = [date(2024, 1, 1) + timedelta(day) for day in range(3)]
    rows = [(day, f"{n:06}.SZ", float(n + place)) for place, day in enumerate(days) for n in range(1, LEAST_PAIRS + 1)]
    values = pl.DataFrame(rows, schema={"session": pl.Date, "symbol": pl.String, "value": pl.Float64}, orient="row")
    evaluate_factor(values, values.rename({"value": "close"}), None, {"itself": values}, days)


if __name__ == "__main__":
    main()
