"""One session of 10,000 strategies through the settlement flow: load, settle, write, commit, publish."""

import os
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter

from bench.market_home import environment, market_home, write_strategies
from bench.report import figure
from countersign.deployments.orchestration.server import prefect_api
from countersign.models.datasets import BARS

STRATEGIES, RUNS = 10_000, 5


def main() -> None:
    """Print the seconds of the flow for one session after another; the first, which compiles, does not count."""
    os.environ["PREFECT_LOGGING_LEVEL"] = "ERROR"
    with tempfile.TemporaryDirectory(dir=os.environ.get("COUNTERSIGN_BENCH_FOLDER")) as name:
        home, market = market_home(Path(name) / "home")
        os.environ |= environment(home)
        sessions = home.lake.sessions(BARS)[-RUNS - 2 : -1]
        strategies, signals = write_strategies(home, STRATEGIES, sessions, Path(name))
        with prefect_api(home.path):
            from countersign.flows.replay import SETTLED_AT  # noqa: PLC0415
            from countersign.flows.settlement import settle_all_active_strategies  # noqa: PLC0415 - after Prefect's environment
            from countersign.services.attestation.seal_and_push import seal  # noqa: PLC0415
            from countersign.services.operations.replay import (  # noqa: PLC0415
                open_strategies,
                read_strategies,
                set_clock,
                submit_signals,
            )

            set_clock(home, sessions[0], SETTLED_AT.min)
            open_strategies(home, read_strategies(strategies), home.clock.now())
            seconds = []
            for session in sessions:
                submit_signals(home, signals, session, partial(seal, home))
                set_clock(home, session, SETTLED_AT)
                start = perf_counter()
                settle_all_active_strategies(session=session, home=home.path)
                seconds.append(perf_counter() - start)
        title = f"settlement flow, one session of {STRATEGIES} strategies on the {market}"
        figure(title, seconds[1:], "s", must=8, better="lower")


if __name__ == "__main__":
    main()
