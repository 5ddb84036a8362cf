"""Seals in the answers to submissions: while the sealer is away, after it died, and after the clock has stepped."""

import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from countersign.models.tables.operations import Lease
from countersign.services.attestation.sealing import sealing
from countersign.services.attestation.stops import LEASE
from countersign.store.clock import wall_clock
from countersign.store.home import Home
from tests.api.routers.test_signals import SIGNAL, post, recorded
from tests.support import processes
from tests.support.serving import open_one
from tests.support.waiting import PATIENCE_SECONDS

BUSY = {"committed": False, "reason": "sealer_busy"}
Headers = Mapping[str, str]


@pytest.fixture(autouse=True)
def alpha(web: httpx.Client, me: dict[str, str]) -> None:
    """A strategy of key `me`, which every test here has."""
    open_one(web, me)


def hold(home: Home, held: Any, done: Any) -> None:
    """Be the sealer, and seal nothing."""
    with sealing(home):
        held.set()
        done.wait(PATIENCE_SECONDS)


def attested(web: httpx.Client, me: Headers, signals: Any = None) -> dict[str, Any]:
    answer = post(web, me, signals)
    assert answer.status_code in {200, 201}, answer.text
    found: dict[str, Any] = answer.json()["attestation"]
    return found


def test_before_the_first_sealer_starts_it_is_busy(desk: Home, web: httpx.Client, me: Headers) -> None:
    assert attested(web, me) == BUSY


def test_without_a_journal_there_is_none(desk: Home, web: httpx.Client, me: Headers) -> None:
    shutil.rmtree(desk.journal.path)
    assert attested(web, me) == {"committed": False, "reason": "repo_not_configured"}


def test_a_killed_sealer_is_busy(desk: Home, web: httpx.Client, me: Headers) -> None:
    held, done = processes.event(), processes.event()
    with processes.running(hold, desk, held, done) as sealer:
        assert held.wait(PATIENCE_SECONDS)
        sealer.kill()
        processes.join(sealer)
        assert attested(web, me) == BUSY
    with desk.ledger.read() as db:
        assert db.get(Lease, LEASE), "it was killed before it could give its lease back"


@pytest.mark.parametrize("step", [timedelta(days=-400), timedelta(seconds=-91), timedelta(days=400)])
def test_a_step_of_the_clock_does_not_hide_a_sealer_that_lives(
    desk: Home, web: httpx.Client, me: Headers, step: timedelta
) -> None:
    with sealing(desk) as sealer, ThreadPoolExecutor(1) as pool:
        with desk.ledger.write() as db:
            lease = db.get_one(Lease, LEASE)
            lease.expires_at = wall_clock() + step
            db.add(lease)
        waiting = pool.submit(attested, web, me, SIGNAL[:1])
        while not recorded(desk):
            assert not waiting.done()
        [commit] = sealer.seal(desk.clock.now()).commits
        assert waiting.result() == {"committed": True, "sha": commit.sha, "pushed": False}
