"""One Prefect server for the whole test run: it takes 10 s to start, so only the tests that ask for it pay."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.server import prefect_api, prefect_server


@pytest.fixture(scope="session")
def served_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a live Prefect server, which flows called in this process, and child processes, talk to."""
    home = tmp_path_factory.mktemp("served")
    notes = home / "notes"
    notes.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINY_NOTES", str(notes))
        # The ordinary scheduler looks once a minute.
        patch.setenv("PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS", "1")
        with prefect_server(home), prefect_api(home):
            assert os.environ["PREFECT_API_URL"]
            yield home
