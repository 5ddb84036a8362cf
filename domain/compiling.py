"""Compiling: how kernels become machine code that is kept on disk. Numba keeps it by the kernel's own file.

No fast mathematics and no threads: the same arrays give the same bytes.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile at the first call, without the GIL."""
    return cast("Function", njit(nogil=True, cache=True)(function))


def step(function: Function) -> Function:
    """Compile into the caller: passing two dozen arrays for every strategy takes longer than the step."""
    return cast("Function", njit(nogil=True, cache=True, inline="always")(function))
