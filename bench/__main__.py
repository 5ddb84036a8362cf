"""Runs the benchmarks, all of them or the ones named: python -m bench [NAME …]."""

import subprocess
import sys
from pathlib import Path

SUPPORT = {"__main__", "load", "market_home", "report"}


def main() -> int:
    """Run each benchmark in a process of its own, so that one's memory and caches are not another's."""
    known = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in SUPPORT)
    names = sys.argv[1:] or known
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"bench: expected one of {', '.join(known)}, got {unknown[0]}", file=sys.stderr)
        return 2
    return max(subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode for name in names)


if __name__ == "__main__":
    sys.exit(main())
