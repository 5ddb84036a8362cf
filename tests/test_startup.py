"""Start-up: what a command must not wait for. The figures themselves are printed by `make bench ONLY=startup`."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAVY = ("alembic", "duckdb", "great_expectations", "numba", "pandas", "polars", "prefect", "pyarrow", "sqlmodel")

# Runs every command with --help in one process; prints the first one after which a heavy package was there, and which.
HELP_OF_ALL = """
import contextlib, io, json, sys
import cli, typer

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
    """What a program prints that runs in a process of its own, from the root of the tree."""
    line = [sys.executable, "-c", program, *arguments]
    return subprocess.run(
        line, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    ).stdout


def test_help_of_every_command_imports_nothing_heavy() -> None:
    seen = json.loads(run(HELP_OF_ALL, *HEAVY))
    assert len(seen) > 40
    assert {"run", "status", "market import", "admin ticket list"} <= {words for words, *_ in seen}
    assert [each for each in seen if each[1:] != [0, True, []]] == []
