"""Compiles ahead of its first use, in a process of its own that gives way to everything else. A part of `up`.

`init` and `make install` have compiled already, unless another user did, or the sources changed since. Numba holds the
interpreter while it compiles, hence no thread of the api's.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from countersign.deployments.supervision.child import Child

LOWEST_PRIORITY = 19


@contextmanager
def compiling(home: Path) -> Iterator[Child]:
    """Have it compiled in the background of the block; what is not done by its end is given up."""
    child = Child(("countersign.deployments.precompile",), {}, home / "logs" / "compiling.log")
    try:
        yield child
    finally:
        child.kill_group()


def main() -> None:
    """Compile whatever is not compiled yet."""
    os.nice(LOWEST_PRIORITY)
    from countersign.deployments.kernels import compile_kernels  # noqa: PLC0415 - with the lowest priority from the first import on

    compile_kernels()


if __name__ == "__main__":
    main()
