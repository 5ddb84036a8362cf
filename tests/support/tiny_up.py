"""`up` with the tiny timetable: `python -m tests.support.tiny_up HOME`. Exits 3 when the home is up already."""

import sys
from pathlib import Path

from countersign.deployments.up import up
from countersign.models.errors import ConflictError


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        up(Path(sys.argv[1]), timetable="tests.support.tiny_timetable:SLOTS", catch_up=False, say=say)
    except ConflictError as error:
        say(f"refused: {error}")
        sys.exit(3)
