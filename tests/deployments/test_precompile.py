"""Kernels are compiled ahead, by a process of its own, which is given up when the platform stops."""

from pathlib import Path

from countersign.deployments.precompile import compiling
from tests.support.waiting import wait_until


def test_it_compiles_and_ends(tmp_path: Path) -> None:
    with compiling(tmp_path) as child:
        wait_until(lambda: child.exit_code is not None)
        assert child.exit_code == 0
    assert child.log.read_text() == ""


def test_it_is_given_up_with_the_block(tmp_path: Path) -> None:
    with compiling(tmp_path) as child:
        assert child.exit_code is None
    assert child.exit_code == -9
