"""Quality report as the last step of a flow: made once nothing waits for the bars, and linked in Prefect's UI."""

from datetime import date

from prefect import get_run_logger
from prefect.artifacts import create_link_artifact

from countersign.flows.artifacts import artifact_key
from countersign.store.home import Home
from countersign.tasks.quality import make_report


def report_and_link(home: Home, session: date, *, patient: bool = True) -> None:
    """Make the report on a session's bars and link it. A failure is logged as a warning, and fails nothing.

    The watchdog makes what is missing. Only a `patient` run tries again itself.
    """
    attempt = make_report.task if patient else make_report.task.with_options(retries=0)
    state = attempt(home, session, home.clock.now(), return_state=True)
    if not state.is_completed():
        get_run_logger().warning("no report on the bars of %s: %s", session, state.message)
        return
    page = state.result().resolve()
    create_link_artifact(
        link=page.as_uri(),
        link_text=str(page),
        key=artifact_key("quality", "report"),
        description=f"Full report on the bars of {session}",
    )
