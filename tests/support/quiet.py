"""Threads that are over with the tests that started them.

A thread behind a test's back meddles with the next test: Prefect's connection for events draws random numbers each
20 seconds, and Hypothesis, which looks after the generator while it draws, cannot know that they are not the test's.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from countersign.deployments.orchestration.server import drain
from tests.support.waiting import PATIENCE_SECONDS

# Great Expectations' progress bars: it sleeps, ten seconds at a time, and touches nothing but bars.
HARMLESS = {"tqdm_monitor"}


@contextmanager
def quiet() -> Iterator[None]:
    """Let no thread that is started in the block outlive it; name those that do."""
    before = set(threading.enumerate())
    yield
    end_prefect()
    left = [each for each in threading.enumerate() if each not in before and each.name not in HARMLESS]
    for thread in left:
        thread.join(PATIENCE_SECONDS)
    alive = [thread.name for thread in left if thread.is_alive()]
    assert not alive, f"threads go on after their tests: {alive}"


def end_prefect() -> None:
    """End the threads of Prefect in this process, if it has any; the next flow starts them anew."""
    threads = sys.modules.get("prefect._internal.concurrency.threads")
    if threads is None:
        return
    drain()
    for loop in (threads._global_loop, threads._run_sync_loop):
        if loop is not None:
            loop.shutdown()
