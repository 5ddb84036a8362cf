"""The wheel: one package, which works from any folder."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, as an installer would put it down."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_wheel_installs_one_name(unpacked: Path) -> None:
    names = {path.name for path in unpacked.iterdir()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"countersign"}
    assert not [path for path in unpacked.rglob("*") if path.is_symlink()]


def test_wheel_has_every_module_of_the_checkout(unpacked: Path) -> None:
    there = {str(path.relative_to(unpacked / "countersign")) for path in unpacked.rglob("*.py")}
    layers = [path for path in (ROOT / "countersign").iterdir() if path.is_symlink()]
    here = {str(path.relative_to(ROOT)) for layer in layers for path in (ROOT / layer.name).rglob("*.py")}
    assert there == here | {"__init__.py", "settings.py"}


def test_wheel_runs_from_any_folder(unpacked: Path, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(unpacked), "COUNTERSIGN_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}
    code = "import countersign; print(countersign.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()).is_relative_to(unpacked)
    made = [sys.executable, "-m", "countersign.cli", "init"]
    subprocess.run(made, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert (tmp_path / "home").is_dir()
