"""Serve the tiny flows as `up` does, polling often: `python -m tests.support.tiny_runner HOME DUE`.

`note` is due at DUE (ISO time), and again every half minute; the others on their timetable.
"""

import sys
from datetime import datetime, timedelta
from pathlib import Path

from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Interval
from prefect.types.entrypoint import EntrypointType

from countersign.deployments.orchestration.runner import serve
from countersign.deployments.orchestration.schedules import deployments_of
from tests.support.tiny_flows import note
from tests.support.tiny_timetable import HANG, NOTE


def main() -> None:
    home, due = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
    soon = RunnerDeployment.from_flow(
        note,
        "soon",
        schedule=Interval(timedelta(seconds=30), anchor_date=due),
        parameters={"home": str(home)},
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    slots = [NOTE, HANG]
    serve(home, [soon, *deployments_of(slots, home)], slots, query_seconds=1)


if __name__ == "__main__":
    main()
