"""The simulated feed over HTTP, as the document has it, and as a command."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime

import httpx
import pytest

from countersign.deployments.feed import simulated_feed
from countersign.deployments.orchestration.environment import ROOT
from countersign.domain.external.feed_simulation import PATHS, SimulatedFeed
from tests.support.serving import get
from tests.support.waiting import PATIENCE_SECONDS

NOON = datetime(2026, 5, 24, 12, 30, tzinfo=UTC)
FORM = {"api_key": "FREE", "interval": "20"}


@pytest.mark.parametrize("path", [*PATHS, *(f"{path}/" for path in PATHS)])
def test_both_paths_answer_get_and_post_alike(path: str) -> None:
    with simulated_feed(SimulatedFeed(), lambda: NOON) as url:
        asked, posted = (
            get(url + path, params=FORM),
            httpx.post(url + path, data=FORM, timeout=PATIENCE_SECONDS),
        )
        missing = get(url + path).json()
    assert asked.json() == posted.json()
    assert (asked.status_code, asked.json()["error"], asked.json()["count"] > 0) == (200, 0, True)
    assert (missing["error"], missing["message"]) == (1, "Missing key")


def test_it_is_down_in_the_first_minutes_of_an_hour_and_knows_no_other_path() -> None:
    now = [NOON.replace(minute=4)]
    with simulated_feed(SimulatedFeed(broken_minutes_an_hour=5), lambda: now[0]) as url:
        assert get(url + PATHS[0], params=FORM).status_code == 503
        now[0] = NOON.replace(minute=5)
        assert get(url + PATHS[0], params=FORM).status_code == 200
        assert get(url + "/elsewhere", params=FORM).status_code == 404


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_its_address_and_ends_on_a_signal(number: signal.Signals) -> None:
    words = ("source", "simulate", "--port", "0", "--premium-key", "mine", "--failing", "3")
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "countersign.cli", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout
            said = process.stdout.readline().strip()
            assert said.startswith("http://127.0.0.1:")
            assert get(said, params={"api_key": "mine"}).json()["error"] == 3
            process.send_signal(number)
            assert process.wait(PATIENCE_SECONDS) == 0
        finally:
            process.kill()
