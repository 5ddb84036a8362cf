"""Soak a platform.

    python -m tests.soak [--seconds 600] [--seed 1] [--folder FOLDER]

Prints how it went, and exits 1 if anything was lost. `--folder` is kept: logs, market, the home that lived in peace.
"""

import argparse
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from countersign.deployments.orchestration.environment import prefect_environment


def main() -> int:
    """Soak, and print the report."""
    parser = argparse.ArgumentParser(prog="tests.soak")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with ExitStack() as after:
        folder = options.folder or Path(after.enter_context(TemporaryDirectory(prefix="soak-")))
        folder = folder.resolve()
        folder.mkdir(exist_ok=True)
        os.environ.update(prefect_environment(folder))
        from tests.soak.report import render  # noqa: PLC0415 - Prefect's environment comes first
        from tests.soak.soaking import soak  # noqa: PLC0415

        report = soak(folder, options.seconds, options.seed)
        print("\n".join(render(report)))  # noqa: T201
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
