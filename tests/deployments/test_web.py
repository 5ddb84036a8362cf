"""The api as `up` runs it: a process of its own, or two, that answers, stops when told, and leaves nothing behind."""

from pathlib import Path

import psutil
import pytest

from countersign.deployments.orchestration.server import free_port
from countersign.deployments.supervision.parts import wait_until_ready
from countersign.deployments.web import api_part
from countersign.models.errors import ConflictError
from countersign.store.home import Home
from tests.support.serving import get
from tests.support.waiting import PATIENCE_SECONDS

GIVEN_AWAY = Path("/proc/sys/net/ipv4/ip_local_port_range")


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_part_serves_a_home_and_stops(tmp_path: Path, workers: int) -> None:
    path = tmp_path / "home"
    home = Home(path, f"sqlite:///{path / 'ledger.db'}", path / "lake")
    home.create()
    part = api_part(path, port=free_port(), workers=workers)
    child = part.start()
    try:
        assert wait_until_ready(part, child)
        assert get(f"{part.url}/api/v1/health").json()["simulated"] is False
        assert get(f"{part.url}/openapi.json").json()["info"]["title"] == "Countersign"
        with pytest.raises(ConflictError, match="is taken by another program"):
            api_part(path, port=int((part.url or "").rpartition(":")[2]))
        family = psutil.Process(child.identity.pid).children(recursive=True)
    finally:
        child.stop(PATIENCE_SECONDS)
    assert child.exit_code in {0, -2, 130}, part.log.read_text()
    gone, alive = psutil.wait_procs(family, timeout=PATIENCE_SECONDS)
    assert (len(gone), alive) == (len(family), [])


@pytest.mark.skipif(not GIVEN_AWAY.exists(), reason="only Linux says which ports it gives to outgoing connections")
def test_a_free_port_is_none_that_the_system_gives_away() -> None:
    first, last = map(int, GIVEN_AWAY.read_text().split())
    assert not {free_port() for _ in range(20)} & set(range(first, last + 1))
