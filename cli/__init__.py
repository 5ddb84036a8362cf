"""The `countersign` command: arguments and printing only.

Exit codes: 0 done, 1 it failed, 2 wrong use. Errors are one line on stderr.

Each command imports what it needs when it runs, so that `--help` takes no longer than Typer, and Prefect is imported
after its environment is set. At the top of these modules stand the standard library, Typer, and light modules of ours.
"""

import atexit
import gc
import os
import sys

import typer

from countersign.cli.administration import admin, clock
from countersign.cli.backup import app as backup
from countersign.cli.factors import factors
from countersign.cli.market import market
from countersign.cli.operations import app
from countersign.cli.proof import app as proof
from countersign.cli.sources import source
from countersign.cli.status import app as status
from countersign.models.errors import CountersignError, InputError
from countersign.store.privacy import keep_to_owner

app.add_typer(proof)
app.add_typer(status)
app.add_typer(backup)
app.add_typer(market, name="market")
app.add_typer(admin, name="admin")
app.add_typer(clock, name="clock")
app.add_typer(source, name="source")
app.add_typer(factors, name="factors")


def main() -> None:
    """Run the command; the program's entry."""
    keep_to_owner()
    if "--help" in sys.argv or sys.argv[1:2] == ["status"]:
        gc.disable()  # both end within a second, a sixth of which would go to looking for garbage among imports
    # Registered first, so that it runs last: DuckDB's binding prints a page of what Prefect's threads still hold then.
    atexit.register(lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno()))
    # What Prefect logs is in its server; on a terminal it would drown the progress bar and the one line of an error.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command with these arguments; return its exit code."""
    try:
        code = app(arguments, standalone_mode=False)
    except typer.Abort:
        return 1
    except CountersignError as error:
        print(f"countersign: {error}", file=sys.stderr)  # noqa: T201 - the one place that prints errors
        return 2 if isinstance(error, InputError) else 1
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # click's own errors: wrong use
            print(f"countersign: {error.format_message()}", file=sys.stderr)  # noqa: T201
            return int(error.exit_code)
        raise
    return code if isinstance(code, int) else 0  # what a command raised as typer.Exit
