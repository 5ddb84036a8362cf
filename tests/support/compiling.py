"""Kernels, compiled once for all processes of a test run: a second process waits, and reads those of the first."""

import fcntl
import threading
from typing import Any

from numba.core.dispatcher import Dispatcher

import countersign.domain.settlement.kernel


def compile_once() -> None:
    """Compile in turn from now on, in this process and all others that call it."""
    compile_now, turn = Dispatcher.compile, threading.RLock()
    lock, depth = open(countersign.domain.settlement.kernel.__file__), 0  # noqa: SIM115 - as long as the process

    def compile_in_turn(self: Any, signature: Any) -> Any:
        nonlocal depth
        with turn:
            if not depth:
                fcntl.flock(lock, fcntl.LOCK_EX)
            depth += 1
            try:
                return compile_now(self, signature)
            finally:
                depth -= 1
                if not depth:
                    fcntl.flock(lock, fcntl.LOCK_UN)

    Dispatcher.compile = compile_in_turn
