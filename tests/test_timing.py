"""No test depends on how fast or how busy the machine is, nor on other tests: calls that would are found by name."""

import ast
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.quiet import quiet

TESTS = Path(__file__).parent
# The one place that waits, and a test that puts a library's clock forward.
EXCEPTED = {"support/waiting.py", "sources/external/test_feeds.py"}
CLOCKS = {"time.time", "time.monotonic", "time.perf_counter", "time.process_time", "time.sleep", "asyncio.sleep"}
# The Prefect server is shared, and gives one page of the runs of all tests.
SHARED = {"read_flow_runs", "read_artifacts"}
LIMITED = {"wait", "join", "stop", "settimeout", "acquire", "communicate", "wait_procs", "wait_until"}
# In between lie limits that a busy machine may exceed, and sleeps that a fast one need not take.
PAUSE_SECONDS, LONG_SECONDS = 0.05, 60


def faults(source: str) -> Iterator[str]:
    """Name the calls in a test's source that look at the time, give up early, or take others' runs for their own."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name in CLOCKS and not (name == "asyncio.sleep" and ast.unparse(node.args[0]) == "0"):
            yield f"line {node.lineno}: {name}: assert on events and states, not on durations"
        if name.rpartition(".")[2] == "settings" and any(each.arg == "deadline" for each in node.keywords):
            yield f"line {node.lineno}: {name}: the deadline is the profile's business, tests/conftest.py"
        if name.rpartition(".")[2] in SHARED and not any("filter" in str(each.arg) for each in node.keywords):
            yield f"line {node.lineno}: {name}: ask for your own by a filter"
        limits = [each.value for each in node.keywords if each.arg == "timeout"]
        if name.rpartition(".")[2] in LIMITED:
            limits += node.args
        for limit in limits:
            seconds = limit.value if isinstance(limit, ast.Constant) else None
            if isinstance(seconds, int | float) and PAUSE_SECONDS < seconds < LONG_SECONDS:
                yield f"line {node.lineno}: {name}: a limit that bounds a hang is PATIENCE_SECONDS"
        if name in {"httpx.get", "httpx.post", "httpx.Client"} and not limits:
            yield f"line {node.lineno}: {name}: gives up after five seconds; give it PATIENCE_SECONDS"


def test_no_test_depends_on_the_time_it_takes() -> None:
    paths = {path.relative_to(TESTS).as_posix(): path for path in TESTS.rglob("*.py")}
    found = {name: list(faults(path.read_text())) for name, path in paths.items() if name not in EXCEPTED}
    assert {name: each for name, each in found.items() if each} == {}


@pytest.mark.parametrize(
    "source",
    [
        "time.sleep(1)",
        "x = time.monotonic()",
        "thread.join(5)",
        "f(timeout=2)",
        "httpx.get(url)",
        "settings(deadline=9)",
        "client.read_flow_runs()",
    ],
)
def test_a_source_that_depends_on_time_is_found(source: str) -> None:
    assert len(list(faults(source))) == 1


def test_a_thread_that_outlives_its_module_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.quiet.PATIENCE_SECONDS", 0)
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="one that lingers")
    try:
        with pytest.raises(AssertionError, match="one that lingers"), quiet():
            thread.start()
    finally:
        over.set()
        thread.join()
    with quiet():
        threading.Thread(target=over.wait).start()
