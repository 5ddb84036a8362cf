"""Signals to stop, heard while the server still serves.

A server tells its app only after the last connection is closed, and for a stream it would wait for ever. So we listen
for the signals that it gets itself, which go on to it.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def on_stop_signal(call: Callable[[], None]) -> Generator[None]:
    """Let `call` run in this event loop when a signal says to stop.

    In a thread there are no signals: the caller that runs a server in one must end its streams.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}

    def heard(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(call)
        following = before[signal.Signals(number)]
        if callable(following):
            following(number, frame)

    for each in SIGNALS:
        before[each] = signal.signal(each, heard)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
