"""Start-up cost of each command: processor seconds, user and system, of the process and all it starts.

Processor time, as a busy machine makes the time by the wall mean little. The home is the sample's, with 60 sessions
settled; what the first use of a home or an installation costs is measured apart from that.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.report import figure

ROOT = Path(__file__).parent.parent
RUNS = 5
# Commands, and the most that each may take, in seconds.
COMMANDS: dict[str, float | None] = {
    "--help": 0.3,
    "admin ticket list --help": 0.3,
    "clock show": None,
    "status": 0.8,
    "run settle": 4.0,
    "run evaluate": None,
    "up --check": None,
}
COMPILED_AHEAD = 3.0


def cost(module: str, *words: str, **environment: str) -> float:
    """Return the processor seconds of `python -m MODULE`, its children included; whatever it says is dropped."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    # A home of the sample's is behind its clock, which `status` says with 1.
    assert done.returncode in {0, 1}, done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the cost of each command, then that of compiling on a fresh installation and afterwards."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("COUNTERSIGN_BENCH_FOLDER")) as name:
        home = {"COUNTERSIGN_HOME": f"{name}/home"}
        # What Python compiles of its sources is kept, as it is for whoever uses the command.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        cost("countersign.cli", "sample", COUNTERSIGN_CLOCK="simulated", **home)
        for command, must in COMMANDS.items():
            words = command.split()
            ports = ["--port", "18077", "--prefect-port", "14277"] if words[0] == "up" else []
            runs = [cost("countersign.cli", *words, *ports, **home) for _ in range(RUNS + 1)][1:]
            figure(f"countersign {command}, processor time", runs, "s", must=must, better="lower")
        kernels = {"NUMBA_CACHE_DIR": f"{name}/kernels"}
        first = cost("countersign.deployments.precompile", **kernels)
        figure("compiling on a fresh installation, processor time", [first], "s", must=None, better="lower")
        runs = [cost("countersign.deployments.precompile", **kernels) for _ in range(RUNS)]
        figure("the same where all is compiled", runs, "s", must=COMPILED_AHEAD, better="lower")


if __name__ == "__main__":
    main()
