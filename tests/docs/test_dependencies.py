"""docs/dependencies.md against the lock, pyproject.toml and what is installed."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "dependencies.md").read_text()
HEAVY = {name: float(size) for name, size in re.findall(r"^\| ([a-z0-9-]+) \| (\d+) \|", TEXT, re.MULTILINE)}
OTHERS = set(re.findall(r"^\| ([a-z0-9-]+) \| [^|]*\|$", TEXT, re.MULTILINE)) - {"package", "---"}
LOCKED = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))


def direct() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {re.split(r"[<>=!; ]", line, maxsplit=1)[0] for line in project["dependencies"]}


def megabytes(name: str) -> float:
    """The size of a package's files as installed, without what Python compiled; 0 for one that is not."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return 0.0
    paths = (Path(str(found.locate_file(file))) for file in found.files or () if file.suffix != ".pyc")
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def test_every_direct_dependency_is_explained() -> None:
    # The driver of PostgreSQL weighs what its binary part weighs.
    assert {name.replace("psycopg[binary]", "psycopg-binary") for name in direct()} - set(HEAVY) == OTHERS
    assert set(HEAVY) | OTHERS <= LOCKED
    assert f"pins {len(LOCKED)} packages" in TEXT


def test_the_twenty_heaviest_packages_have_their_sizes() -> None:
    sizes = {name: megabytes(name) for name in LOCKED}
    heaviest = sorted(sizes, key=lambda name: -sizes[name])[:20]
    assert set(heaviest) == set(HEAVY)
    # Wheels of other machines differ by some megabytes.
    assert {name for name in heaviest if abs(sizes[name] - HEAVY[name]) > max(2, HEAVY[name] / 4)} == set()
