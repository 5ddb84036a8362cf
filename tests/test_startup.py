"""Start-up: what a command must not wait for. The figures themselves are printed by `make bench ONLY=startup`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from countersign.models.tables.operations import StageRun
from countersign.settings import locate_home

ROOT = Path(__file__).parent.parent
HEAVY = ("alembic", "duckdb", "great_expectations", "numba", "pandas", "polars", "prefect", "pyarrow", "sqlmodel")

# Runs every command with --help in one process; prints the first one after which a heavy package was there, and which.
HELP_OF_ALL = """
import contextlib, io, json, sys
from countersign import cli
import typer

def commands(command, path=()):
    yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))

seen = []
for words in commands(typer.main.get_command(cli.app)):
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        code = cli.run([*words, "--help"])
    heavy = [name for name in sys.argv[1:] if name in sys.modules]
    seen.append([" ".join(words), code, bool(shown.getvalue()), heavy])
print(json.dumps(seen))
"""


def run(program: str, *arguments: str, **environment: str) -> str:
    """Output of a program that runs in a process of its own, from the root of the tree."""
    line = [sys.executable, "-c", program, *arguments]
    return subprocess.run(
        line, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    ).stdout


def test_help_of_every_command_imports_nothing_heavy() -> None:
    seen = json.loads(run(HELP_OF_ALL, *HEAVY))
    assert len(seen) > 40
    assert {"run", "status", "market import", "admin ticket list"} <= {words for words, *_ in seen}
    assert [each for each in seen if each[1:] != [0, True, []]] == []


# Runs a command and prints which of these modules it brought in.
IMPORTS_OF = """
import contextlib, io, json, sys
from countersign import cli

with contextlib.redirect_stdout(io.StringIO()):
    code = cli.run(sys.argv[2:])
print(json.dumps([code, [name for name in sys.argv[1].split(",") if name in sys.modules]]))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with nothing in it but the exchange's sessions, which its first command asks pandas for."""
    path = tmp_path_factory.mktemp("startup") / "home"
    made = locate_home(path)
    made.create()
    assert made.sessions.days
    return path


@pytest.mark.parametrize("command", [("status",), ("run", "settle")], ids=" ".join)
def test_what_reads_the_ledger_alone_starts_no_prefect_and_no_compiler(home: Path, command: tuple[str, ...]) -> None:
    heavy = "prefect,numba,pandas,alembic,httpx,great_expectations"
    code, brought = json.loads(run(IMPORTS_OF, heavy, *command, "--home", str(home)))
    assert (code in {0, 1}, brought) == (True, [])


def test_settling_nothing_is_remembered_as_a_run(home: Path) -> None:
    opened = locate_home(home)
    before = opened.clock.now()
    assert (
        run("import cli, sys; sys.exit(cli.run(sys.argv[1:]))", "run", "settle", "--json", "--home", str(home))
        == "[]\n"
    )
    with opened.ledger.read() as db:
        noted = db.get_one(StageRun, "settle")
    assert noted.finished_at >= before
    assert not noted.failed
    assert not (home / "logs" / "prefect-server.log").exists()


def test_what_was_compiled_ahead_is_compiled_by_no_other_process() -> None:
    for module in ("countersign.deployments.precompile", "tests.support.kernels_in_use"):
        line = [sys.executable, "-m", module]
        printed = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    done = json.loads(printed)
    assert done["compiled"] == []
    assert done["read"] > 5
