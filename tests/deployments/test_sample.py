"""The sample home: refused where it would be half made."""

from pathlib import Path

import pytest

from countersign.deployments.sample import prepare_sample
from countersign.models.errors import ConflictError
from countersign.store.home import Home


def home_at(path: Path, clock: str | None) -> Home:
    return Home(path, f"sqlite:///{path / 'ledger.db'}", path / "lake", clock)  # type: ignore[arg-type]


@pytest.mark.parametrize("clock", [None, "system"])
def test_a_sample_without_the_simulated_clock_writes_nothing(tmp_path: Path, clock: str | None) -> None:
    with pytest.raises(ConflictError, match="COUNTERSIGN_CLOCK=simulated"):
        prepare_sample(home_at(tmp_path / "home", clock))
    assert not (tmp_path / "home").exists()
    assert home_at(tmp_path / "home", "simulated").create()


def test_a_home_that_lives_by_the_systems_clock_takes_no_sample(tmp_path: Path) -> None:
    home_at(tmp_path, "system").create()
    with pytest.raises(ConflictError, match="a home of its own"):
        prepare_sample(home_at(tmp_path, None))
