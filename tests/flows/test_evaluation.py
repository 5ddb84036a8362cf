"""daily_evaluation under a real Prefect server: the sessions that it evaluates, publishes and shows."""

from datetime import date, time
from pathlib import Path
from typing import Any

import duckdb
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from countersign.domain.sessions import at
from countersign.models.datasets import EVALUATIONS
from countersign.services.evaluation.histories import DEFINITIONS
from countersign.services.operations.platform_status import StageStatus, read_platform_status
from countersign.services.publication.publish import lens_is_current
from countersign.store.home import Home
from countersign.store.ledger.leases import lease
from countersign.store.lens.reader import open_lens
from tests.support.homes import at_system_time
from tests.support.settling import settle_session
from tests.support.trading import trading

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

DAYS = trading().sessions


def run(home: Home, session: date | None = None) -> list[str]:
    from countersign.flows.evaluation import daily_evaluation  # noqa: PLC0415 - imported where its server is known

    rows: list[dict[str, Any]] = daily_evaluation(session=session, home=home.path)
    return [row["session"] for row in rows]


def test_it_catches_up_publishes_and_repeats_itself(served_home: Path, fresh: Home, undisturbed: Home) -> None:
    assert run(fresh) == []
    for session in DAYS[:3]:
        settle_session(fresh, session)
    assert run(fresh) == [str(day) for day in DAYS[:3]]
    settle_session(fresh, DAYS[3])
    with lease(fresh.ledger, "evaluate"):
        assert run(fresh) == []
    settle_session(fresh, DAYS[4])
    assert run(fresh, DAYS[4]) == [str(day) for day in DAYS[3:]]
    assert run(fresh) == []
    assert run(fresh, DAYS[2]) == [str(DAYS[2])]  # asked for by name
    assert run(fresh, date(2025, 3, 8)) == []  # not a session
    assert lens_is_current(fresh)
    ours, theirs = (home.lake.files(EVALUATIONS) for home in (fresh, undisturbed))
    assert [(file.path, file.sha256) for file in ours] == [(file.path, file.sha256) for file in theirs]
    with open_lens(fresh.path) as lens, lens.use() as db:
        rows = db.execute("SELECT count(*), count(DISTINCT session) FROM evaluations").fetchall()
        assert rows == [(sum(file.rows for file in ours), 5)]
        with pytest.raises(duckdb.BinderException):
            db.execute("SELECT traded FROM evaluations")


def test_a_session_that_is_not_settled_is_passed_over(served_home: Path, fresh: Home) -> None:
    assert run(fresh, DAYS[0]) == []
    assert fresh.lake.files(EVALUATIONS) == []


def test_the_operator_sees_the_ranking(served_home: Path, settled: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    import countersign.domain.evaluation.metrics  # noqa: PLC0415 - of five sessions

    monkeypatch.setattr(countersign.domain.evaluation.metrics, "MIN_SCORED_SESSIONS", 2)
    monkeypatch.setattr("countersign.services.evaluation.histories.DEFINITIONS", DEFINITIONS + 1)
    assert run(settled) == [str(day) for day in DAYS]
    with get_client(sync_client=True) as client:
        found = {
            key: client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
            for key in ("evaluate", "scores")
        }
    table, drawing = str(found["evaluate"][0].data), str(found["scores"][0].data)
    assert '"change"' in table
    assert "█" in drawing
    assert drawing.count("\n") == 11


def test_under_the_systems_clock_a_stage_that_ran_is_not_late(served_home: Path, settled: Home) -> None:
    from countersign.flows.polling import poll_external_signals  # noqa: PLC0415 - imported where its server is known

    def standing() -> list[StageStatus]:
        now = at(DAYS[4], time(19, 0))
        stages = {stage.stage: stage for stage in read_platform_status(at_system_time(settled, now), now).stages}
        return [stages["evaluate"], stages["poll"]]

    assert [(stage.done, stage.late, stage.last_run) for stage in standing()] == [(False, True, None)] * 2
    ran = at(DAYS[4], time(18, 31))
    settled.clock.set(ran)
    run(settled)
    poll_external_signals(home=settled.path)
    assert [(stage.done, stage.late, stage.last_run) for stage in standing()] == [(True, False, ran)] * 2
    assert [stage.lag_seconds for stage in standing()] == [0.0, 0.0]
