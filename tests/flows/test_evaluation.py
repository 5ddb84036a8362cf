"""daily_evaluation under a real Prefect server: what it evaluates, publishes and shows."""

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from models.datasets import EVALUATIONS
from store.evaluations import DEFINITIONS
from store.home import Home
from store.lease import lease
from store.lens import lens_is_current
from store.lens_reader import open_lens
from tests.support.settling import settle_session
from tests.support.trading import trading

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

DAYS = trading().sessions


def run(home: Home, session: date | None = None) -> list[str]:
    from flows.evaluation import daily_evaluation  # noqa: PLC0415 - imported where its server is known

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


def test_what_is_not_settled_is_passed_over(served_home: Path, fresh: Home) -> None:
    assert run(fresh, DAYS[0]) == []
    assert fresh.lake.files(EVALUATIONS) == []


def test_the_operator_sees_who_stands_where(served_home: Path, settled: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    import domain.evaluation  # noqa: PLC0415 - of five sessions

    monkeypatch.setattr(domain.evaluation, "MIN_SCORED_SESSIONS", 2)
    monkeypatch.setattr("store.evaluations.DEFINITIONS", DEFINITIONS + 1)
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
