"""Rules of the tree that no type checker sees: imports between layers, and packages that stay out of the lock files."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = sorted(ROOT.glob("requirements*.lock"))


def test_the_layers_hold() -> None:
    # In a process of its own: the linter brings a way of its own to import things.
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", run.stdout), run.stdout


def test_the_package_holds_every_layer() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["importlinter"]["root_package"] == "countersign"
    layers = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"bench", "countersign", "tests"}
    links = {path.name: path for path in (ROOT / "countersign").iterdir() if path.is_symlink()}
    assert set(links) == layers
    for name, link in links.items():
        assert link.resolve() == ROOT / name
    banned = project["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    assert set(banned) == layers | {"settings"}


@pytest.mark.parametrize("lock", LOCKS, ids=[path.name for path in LOCKS])
def test_a_lock_names_no_host(lock: Path) -> None:
    for line in lock.read_text().splitlines():
        assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host| @ ", line), line


def locked(name: str) -> tuple[int, ...]:
    text = (ROOT / "requirements.lock").read_text()
    found = re.search(rf"^{name}==([\d.]+)", text, re.MULTILINE)
    assert found, name
    return tuple(int(part) for part in found[1].split("."))


def test_bounded_packages_are_not_newer() -> None:
    # FastAPI 0.151 and SQLAlchemy 2.1 break the interfaces that Prefect 3.8 and SQLModel build on.
    assert locked("fastapi") < (0, 151)
    assert locked("sqlalchemy") < (2, 1)
    assert locked("prefect") == (3, 8, 8)
