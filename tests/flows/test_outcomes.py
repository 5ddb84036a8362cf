"""The flow of outcomes in a sample home: klines made up to now, signals judged, records shown, the lens published."""

import json
from pathlib import Path

import pytest

from countersign.deployments.sample import enter_feed
from countersign.domain.external.feed_simulation import SAMPLE_SOURCE
from countersign.flows.outcomes import signal_outcomes
from countersign.services.external.outcomes import read_records
from countersign.services.external.reader import read_gaps
from countersign.store.clock import wall_clock
from countersign.store.lens.reader import open_lens
from tests.support.artifacts import artifact
from tests.support.homes import Databases, make_home


@pytest.mark.usefixtures("served_home")
def test_a_sample_home_has_outcomes_at_once_and_after_every_run(tmp_path: Path, databases: Databases) -> None:
    home = make_home(tmp_path / "home", databases.ledger("sqlite"))
    enter_feed(home, wall_clock())
    enter_feed(home, wall_clock())
    with home.ledger.read() as db:
        record = read_records(db)[SAMPLE_SOURCE]
        assert read_gaps(db, None, 10, 0) == []
    assert record["closed"] > 50
    assert 0 < record["target1_rate"]["low"] < record["target1_rate"]["high"] < 1
    (row,) = signal_outcomes(home=home.path)
    assert row["source"] == SAMPLE_SOURCE
    assert row["judged"] >= record["judged"]
    assert " % of " in json.loads(artifact("signal-outcomes"))[0]["target1_rate"]
    with home.ledger.read() as db:
        closed = read_records(db)[SAMPLE_SOURCE]["closed"]
    signal_outcomes(home=home.path)
    with open_lens(home.path) as lens, lens.use() as db:
        found = db.execute("SELECT count(*) FROM external_outcomes WHERE closed_at IS NOT NULL").fetchall()
    assert found[0][0] >= closed
