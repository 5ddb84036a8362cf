"""Real data for tests: a folder called `shared` beside the checkout, which most machines do not have."""

from pathlib import Path

import pytest


def shared(name: str) -> Path:
    """A file of the shared folder; the test that asks is skipped where it is absent."""
    path = Path(__file__).parents[2].parent / "shared" / name
    if not path.exists():
        pytest.skip(f"no shared/{name} beside the checkout")
    return path
